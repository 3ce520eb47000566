// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "pipeline/kafka_broker.h"

namespace gyre::pipeline {

/// Whether the user may do what `gyre run` does, tried without leaving anything behind but an
/// unused transactional id. Each returns the brokers' refusal, as `TOPIC_AUTHORIZATION_FAILED
/// (...)`, or nothing; throws Failure where the brokers do not answer.

std::string why_not_read(const KafkaClient& client, const std::string& topic);
/// Asks for an acknowledgement that does not exist: brokers look at the rights first, and then
/// refuse the record (KafkaApis.handleProduceRequest, ReplicaManager.appendRecords).
std::string why_not_write(const KafkaClient& client, const std::string& topic);
std::string why_not_join(const KafkaClient& client, const std::string& group,
                         const std::string& topic);
std::string why_not_transact(const KafkaClient& client, const std::string& id);

}  // namespace gyre::pipeline
