// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_admin.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "base/check.h"
#include "pipeline/kafka_handles.h"

namespace gyre::pipeline {
namespace {

using kafka::Destroy;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
using Resource =
    std::unique_ptr<rd_kafka_ConfigResource_t, Destroy<rd_kafka_ConfigResource_destroy>>;
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;
using kafka::Event;

constexpr int kAdminMs = 30'000;
constexpr std::chrono::seconds kKnownWithin{5};  // before a topic that we may not make is missing

/// cleanup.policy is a list without order.
std::set<std::string> items(const std::string& value) {
  std::set<std::string> result;
  std::istringstream stream(value);
  for (std::string item; std::getline(stream, item, ',');) result.insert(item);
  return result;
}

std::int64_t number(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Admin {
 public:
  explicit Admin(const KafkaClient& client)
      : client_(client),
        handle_(kafka::make_handle(
            RD_KAFKA_PRODUCER,
            kafka::make_conf(client, {}, {{"allow.auto.create.topics", "false"}}))),
        queue_(rd_kafka_queue_new(handle_.get())) {}

  std::vector<std::string> ensure(const std::vector<TopicSpec>& specs, bool advise) {
    return ensure(specs, advise, nullptr);
  }

  TopicsShown show(const std::vector<TopicSpec>& specs, bool advise) {
    TopicsShown shown;
    shown.lines = ensure(specs, advise, &shown);
    return shown;
  }

 private:
  /// With `shown` nothing is created.
  std::vector<std::string> ensure(const std::vector<TopicSpec>& specs, bool advise,
                                  TopicsShown* shown) {
    std::vector<std::string> lines;
    std::string all_created;
    std::vector<std::string> described;
    for (const TopicSpec& spec : specs)
      if (is_described(spec, advise)) described.push_back(spec.name);
    ask_configs(described);
    std::vector<kafka::Topic> topics;
    for (const TopicSpec& spec : specs)
      topics.push_back(kafka::make_topic(handle_.get(), spec.name));
    const kafka::Metadata known = known_topics();
    const auto known_until = kafka::Clock::now() + kKnownWithin;
    if (!described.empty()) take_configs();
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const TopicSpec& spec = specs[i];
      rd_kafka_topic_t* const topic = topics[i].get();
      const rd_kafka_metadata_topic_t* metadata = find(known, spec.name);
      kafka::Metadata own;
      if (metadata == nullptr) {
        // Of a broker that was just started nothing is known yet; all together wait no longer.
        const std::chrono::milliseconds within(spec.create ? 0 : kafka::left(known_until));
        own = kafka::topic_metadata(client_, handle_.get(), topic, within);
        metadata = own ? own->topics : nullptr;
      }
      if (metadata == nullptr && shown != nullptr && spec.create) {
        shown->missing.push_back(spec.name);
        if (create(spec, true, shown->problems))
          lines.push_back("missing " + spec.name + ": gyre run and gyre topics create it");
        continue;
      }
      const bool created = metadata == nullptr && create(spec, false, problems_);
      if (created) {
        own = await(topic);
        metadata = own->topics;
      }
      if (metadata == nullptr) continue;
      verify(spec, *metadata);
      lines.push_back((created ? "created " : "ok ") + spec.name + " (" +
                      std::to_string(metadata->partition_cnt) + " partitions)");
      if (created) all_created += (all_created.empty() ? "" : ", ") + spec.name;
      if (advise && !spec.advised.empty()) this->advise(spec, lines);
    }
    note_too_few_brokers(shown != nullptr ? shown->problems : problems_);
    if (!problems_.empty()) {
      std::string all = "the topics are not as they must be";
      if (!all_created.empty()) all += " (created: " + all_created + ")";
      all += ':';
      if (shown != nullptr)
        problems_.insert(problems_.end(), shown->problems.begin(), shown->problems.end());
      for (const std::string& problem : problems_) all += "\n  " + problem;
      throw Refusal(all);
    }
    return lines;
  }

  /// Of all topics that the handle has objects of, in one request. Empty if it was not answered in
  /// time.
  kafka::Metadata known_topics() {
    const rd_kafka_metadata_t* metadata = nullptr;
    rd_kafka_metadata(handle_.get(), 0, nullptr, &metadata, kAdminMs);
    return kafka::Metadata(metadata);
  }

  /// None if the broker does not know it, or no leader yet.
  static const rd_kafka_metadata_topic_t* find(const kafka::Metadata& metadata,
                                               const std::string& name) {
    for (int i = 0; metadata && i < metadata->topic_cnt; ++i) {
      const rd_kafka_metadata_topic_t& topic = metadata->topics[i];
      if (topic.topic == name && topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && topic.partition_cnt > 0)
        return &topic;
    }
    return nullptr;
  }

  static std::map<std::string, std::string> settings(const TopicSpec& spec) {
    std::map<std::string, std::string> all = spec.config;
    for (const auto& [name, value] : spec.at_least) all.emplace(name, std::to_string(value));
    return all;
  }

  std::string cure(const std::string& topic, const std::string& name,
                   const std::string& value) const {
    return "Cure: kafka-configs --bootstrap-server " + client_.brokers +
           " --alter --entity-type topics --entity-name " + topic + " --add-config " + name + "=[" +
           value + "]";
  }

  std::string create_command(const TopicSpec& spec) {
    std::string command = "kafka-topics --bootstrap-server " + client_.brokers +
                          " --create --topic " + spec.name + " --partitions " +
                          std::to_string(spec.partitions) + " --replication-factor " +
                          std::to_string(std::min<int>(spec.replication_factor, brokers()));
    for (const auto& [name, value] : settings(spec)) command += " --config " + name + "=" + value;
    for (const auto& [name, advice] : spec.advised)
      command += " --config " + name + "=" + advice.value;
    return command;
  }

  /// How many there are: no topic can have more replicas.
  int brokers() {
    const rd_kafka_metadata_t* raw = nullptr;
    const auto code = rd_kafka_metadata(handle_.get(), 0, nullptr, &raw, kAdminMs);
    const kafka::Metadata metadata(raw);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw Failure(kafka::unreachable(client_, "counting the brokers: " + kafka::text(code)));
    return std::max(1, metadata->broker_cnt);
  }

  /// One cause, one problem, however many topics it stops.
  void note_too_few_brokers(std::vector<std::string>& problems) {
    if (too_few_brokers_.empty()) return;
    std::string topics;
    for (const TopicSpec* spec : too_few_brokers_)
      topics += (topics.empty() ? "" : ", ") + spec->name;
    const int there = brokers();
    problems.push_back(
        "inner.replication_factor is " +
        std::to_string(too_few_brokers_.front()->replication_factor) + ", but " +
        std::to_string(there) + (there == 1 ? " broker answers" : " brokers answer") +
        ": Kafka creates none of " + topics + ". Cure: set inner.replication_factor to " +
        std::to_string(there) + ", or start more brokers");
  }

  Options options(rd_kafka_admin_op_t operation) const {
    Options options(rd_kafka_AdminOptions_new(handle_.get(), operation));
    std::array<char, 256> reason{};
    const auto code = rd_kafka_AdminOptions_set_request_timeout(options.get(), kAdminMs,
                                                                reason.data(), reason.size());
    CHECK(code == RD_KAFKA_RESP_ERR_NO_ERROR);
    return options;
  }

  Event wait(const std::string& what) {
    Event event(rd_kafka_queue_poll(queue_.get(), kAdminMs + 5'000));
    const auto code = event ? rd_kafka_event_error(event.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (kafka::passes(code)) throw Failure(kafka::unreachable(client_, what));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      throw Failure(what + ": " + rd_kafka_err2name(code) + " (" +
                    rd_kafka_event_error_string(event.get()) + ")");
    }
    return event;
  }

  /// False, and a problem noted, if it may or can not be created. With `only_ask` it is not.
  bool create(const TopicSpec& spec, bool only_ask, std::vector<std::string>& problems) {
    if (!spec.create) {
      problems.push_back("topic " + spec.name + " does not exist" +
                         (spec.lost.empty() ? ". Create it: " + create_command(spec) +
                                                  ", or correct its name in the configuration"
                                            : ": " + spec.lost));
      return false;
    }
    std::array<char, 256> reason{};
    const NewTopic topic(rd_kafka_NewTopic_new(
        spec.name.c_str(), spec.partitions, spec.replication_factor, reason.data(), reason.size()));
    if (!topic) {
      problems.push_back("topic " + spec.name + ": " + reason.data());
      return false;
    }
    for (const auto& [name, value] : settings(spec)) {
      const auto code = rd_kafka_NewTopic_set_config(topic.get(), name.c_str(), value.c_str());
      CHECK(code == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    rd_kafka_NewTopic_t* topics[] = {topic.get()};
    const Options options = this->options(RD_KAFKA_ADMIN_OP_CREATETOPICS);
    const auto set = rd_kafka_AdminOptions_set_validate_only(options.get(), only_ask ? 1 : 0,
                                                             reason.data(), reason.size());
    CHECK(set == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_CreateTopics(handle_.get(), topics, 1, options.get(), queue_.get());
    const Event event = wait("creating topic " + spec.name);
    std::size_t count = 0;
    const auto* results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count);
    CHECK(count == 1);
    const auto code = rd_kafka_topic_result_error(results[0]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      return true;
    }
    if (code == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR) {
      too_few_brokers_.push_back(&spec);
      return false;
    }
    const char* said = rd_kafka_topic_result_error_string(results[0]);
    problems.push_back("topic " + spec.name + " could not be created: " + kafka::text(code) +
                       (said == nullptr ? "" : std::string(": ") + said) +
                       "; create it with sufficient rights: " + create_command(spec));
    return false;
  }

  /// A new topic is known to the brokers one after the other.
  kafka::Metadata await(rd_kafka_topic_t* topic) {
    kafka::Metadata metadata =
        kafka::topic_metadata(client_, handle_.get(), topic, kafka::kPropagation);
    if (!metadata)
      throw Failure(std::string("topic ") + rd_kafka_topic_name(topic) +
                    " was created, but no broker shows it after 15 s; try again");
    return metadata;
  }

  // Only what we demand or write to: of the user's own input the right to read must be enough.
  static bool is_described(const TopicSpec& spec, bool advise) {
    return !spec.config.empty() || spec.create || (advise && !spec.advised.empty());
  }

  /// Asks for all at once. What cannot be described is left out: it may not exist yet.
  void ask_configs(const std::vector<std::string>& names) {
    if (names.empty()) return;
    std::vector<Resource> resources;
    std::vector<rd_kafka_ConfigResource_t*> asked;
    for (const std::string& name : names) {
      resources.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
      asked.push_back(resources.back().get());
    }
    const Options options = this->options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(handle_.get(), asked.data(), asked.size(), options.get(),
                             queue_.get());
  }

  void take_configs() {
    const Event event = wait("reading the configuration of topics");
    std::size_t count = 0;
    const auto* results = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event.get()), &count);
    for (std::size_t i = 0; i < count; ++i) {
      const char* name = rd_kafka_ConfigResource_name(results[i]);
      if (const auto code = rd_kafka_ConfigResource_error(results[i]);
          code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        undescribed_[name] = code;
        continue;
      }
      std::size_t entry_count = 0;
      const auto* entries = rd_kafka_ConfigResource_configs(results[i], &entry_count);
      for (std::size_t j = 0; j < entry_count; ++j) {
        const char* value = rd_kafka_ConfigEntry_value(entries[j]);
        configs_[name].emplace(rd_kafka_ConfigEntry_name(entries[j]),
                               value == nullptr ? "" : value);
      }
    }
  }

  /// Of a topic that some broker shows: the one that is asked may not know it yet.
  const std::map<std::string, std::string>& config_of(const std::string& name) {
    for (const auto until = kafka::Clock::now() + kafka::kPropagation;;) {
      if (const auto found = configs_.find(name); found != configs_.end()) return found->second;
      const auto why = undescribed_.find(name);
      if (why != undescribed_.end() &&
          (why->second != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || kafka::left(until) == 0))
        throw Failure("reading the configuration of topic " + name + ": " +
                      kafka::text(why->second) + "; the user needs the right DescribeConfigs");
      if (why != undescribed_.end()) rd_kafka_poll(handle_.get(), 50);
      ask_configs({name});
      take_configs();
    }
  }

  /// Advice must not stop those who may read their input and no more.
  void advise(const TopicSpec& spec, std::vector<std::string>& lines) {
    if (const auto unknown = undescribed_.find(spec.name); unknown != undescribed_.end()) {
      for (const auto& [name, advice] : spec.advised)
        lines.push_back("warning: topic " + spec.name + " should have " + name + "=" +
                        advice.value + "; whether it has may not be read: " +
                        kafka::text(unknown->second) + ", DescribeConfigs");
      return;
    }
    const auto actual = config_of(spec.name);
    for (const auto& [name, advice] : spec.advised) {
      const auto found = actual.find(name);
      const std::string value = found == actual.end() ? "" : found->second;
      if (value == advice.value) continue;
      lines.push_back("warning: topic " + spec.name + " has " + name + "=" + value +
                      ", better is " + advice.value + ": " + advice.because + ". " +
                      cure(spec.name, name, advice.value));
    }
  }

  void verify(const TopicSpec& spec, const rd_kafka_metadata_topic_t& topic) {
    if (spec.exact && topic.partition_cnt != spec.partitions) {
      problems_.push_back("topic " + spec.name + " has " + std::to_string(topic.partition_cnt) +
                          " partitions, but " + std::to_string(spec.partitions) +
                          " are configured; keys and state lie by partition, so the number is "
                          "fixed. If it was made with " +
                          std::to_string(topic.partition_cnt) +
                          ", set inner.partitions to that; if it was changed since, restore the "
                          "inner topics with " +
                          std::to_string(spec.partitions) + ", or start anew under another `name`");
    }
    if (!is_described(spec, false)) return;
    const auto actual = config_of(spec.name);
    for (const auto& [name, wanted] : settings(spec)) {
      const auto found = actual.find(name);
      const std::string value = found == actual.end() ? "" : found->second;
      const bool least = spec.at_least.contains(name);
      if (least ? number(value) >= spec.at_least.at(name) : items(value) == items(wanted)) continue;
      problems_.push_back("topic " + spec.name + " has " + name + "=" + value + ", must be " +
                          (least ? "at least " : "") + wanted + ". " +
                          cure(spec.name, name, wanted));
    }
    // The broker does not refuse writes here: it silently settles for the replicas there are.
    const auto insync = actual.find("min.insync.replicas");
    const int replicas = topic.partitions[0].replica_cnt;
    if (insync != actual.end() && std::stoi(insync->second) > replicas) {
      problems_.push_back("topic " + spec.name + " has min.insync.replicas=" + insync->second +
                          " but only " + std::to_string(replicas) +
                          " replicas. Raise its replication factor (kafka-reassign-partitions) or "
                          "lower min.insync.replicas");
    }
  }

  KafkaClient client_;
  kafka::Handle handle_;
  kafka::Queue queue_;
  std::vector<std::string> problems_;
  std::vector<const TopicSpec*> too_few_brokers_;  ///< who can have no replicas enough
  std::map<std::string, std::map<std::string, std::string>> configs_;
  std::map<std::string, rd_kafka_resp_err_t> undescribed_;
};

}  // namespace

std::vector<std::string> ensure_topics(const KafkaClient& client,
                                       const std::vector<TopicSpec>& topics, bool advise) {
  return Admin(client).ensure(topics, advise);
}

TopicsShown show_topics(const KafkaClient& client, const std::vector<TopicSpec>& topics,
                        bool advise) {
  return Admin(client).show(topics, advise);
}

}  // namespace gyre::pipeline
