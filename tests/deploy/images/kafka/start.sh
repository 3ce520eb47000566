#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# KAFKA_LOG_DIRS=x becomes log.dirs=x, as in apache/kafka.
set -euo pipefail
properties=/opt/kafka/config/server.properties
env | sed -n 's/^KAFKA_\([A-Z_]*\)=/\1=/p' | while IFS='=' read -r name value; do
  name=${name,,}
  printf '%s=%s\n' "${name//_/.}" "$value"
done >"$properties"
if [[ ! -e /var/lib/kafka/data/meta.properties ]]; then
  /usr/bin/java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "/opt/kafka/libs/*" kafka.tools.StorageTool format -t 5L6g3nShT-eMCtK--X86sw -c "$properties"
fi
exec /usr/bin/java -Xms256m -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"
