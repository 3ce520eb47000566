#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
exec java -Xmx128m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*' org.apache.kafka.tools.TopicCommand "$@"
