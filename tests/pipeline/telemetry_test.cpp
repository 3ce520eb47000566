// SPDX-License-Identifier: Apache-2.0
#include "pipeline/telemetry.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "pipeline/commands.h"
#include "pipeline/http.h"
#include "pipeline/metric_list.h"
#include "pipeline/process_usage.h"
#include "pipeline/service_manager.h"

namespace gyre::pipeline {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string get(std::uint16_t port, const std::string& path) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  EXPECT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return answer;
}

TEST(AdminServer, ServesMetricsHealthAndReadiness) {
  Telemetry telemetry;
  telemetry.folded(7, 3, 1, 2);
  const LoopId intake{"intake"};
  telemetry.status().expect(intake);
  telemetry.status().waits(intake, false);
  const AdminServer server("127.0.0.1:0", telemetry);
  ASSERT_NE(server.port(), 0);

  const std::string metrics = get(server.port(), "/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(metrics, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("\ngyre_alerts_folded_total 7\n"));
  EXPECT_THAT(get(server.port(), "/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));

  EXPECT_THAT(get(server.port(), "/readyz"), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  telemetry.status().set_ready(intake, false, "waits for its partitions");
  EXPECT_THAT(get(server.port(), "/readyz"), HasSubstr("intake 0: waits for its partitions"));
  telemetry.status().set_ready(intake, true, "");
  EXPECT_THAT(get(server.port(), "/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(get(server.port(), "/status"), HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(get(server.port(), "/metrics/more"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get(server.port(), "/"), StartsWith("HTTP/1.1 404"));
}

TEST(Status, ALoopThatWaitsForKafkaLivesButIsNotReady) {
  using std::chrono::seconds;
  Status status;
  const LoopId loop{"by_rule"};
  const auto begin = Status::Clock::now();
  status.expect(loop);
  status.set_ready(loop, true, "");
  status.turned(loop, begin);
  EXPECT_TRUE(status.ready(begin + seconds(15)).first);
  status.waits(loop, false, begin + seconds(30));
  EXPECT_EQ(status.ready(begin + seconds(62)),
            std::pair(false, std::string("by_rule 0: has waited for Kafka for 62 s")));
  EXPECT_TRUE(status.healthy(begin + seconds(62)).first);
  EXPECT_EQ(status.healthy(begin + seconds(91)),
            std::pair(false, std::string("by_rule 0: silent for 61 s")));
  status.waits(loop, true, begin + seconds(92));
  EXPECT_TRUE(status.healthy(begin + seconds(900)).first);
  status.waits(loop, false, begin + seconds(900));
  EXPECT_FALSE(status.healthy(begin + seconds(961)).first);
  status.turned(loop, begin + seconds(92));
  EXPECT_TRUE(status.ready(begin + seconds(93)).first);
}

TEST(AdminServer, SaysWhereItCannotListen) {
  Telemetry telemetry;
  const AdminServer first("127.0.0.1:0", telemetry);
  const std::string taken = "127.0.0.1:" + std::to_string(first.port());
  try {
    const AdminServer second(taken, telemetry);
    FAIL() << "listened twice";
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr(taken));
    EXPECT_THAT(failure.what(), HasSubstr("admin.listen"));
  }
}

TEST(Telemetry, WarnsOnceOfAlertsWithoutAClusterAndSaysTheCure) {
  testing::internal::CaptureStderr();
  std::string text;
  {
    Telemetry telemetry;
    telemetry.alerts_without_cluster("falco.alerts", 2);
    telemetry.alerts_without_cluster("falco.alerts", 3);
    text = telemetry.metrics();
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("gyre_alerts_without_cluster_total{topic=\"falco.alerts\"} 5\n"));
  EXPECT_THAT(log, HasSubstr("CUSTOMFIELDS=cluster:NAME\" topic=falco.alerts\n"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
}

TEST(Telemetry, CountsByFixedLabelsOnly) {
  Telemetry telemetry;
  telemetry.started("1.2.3");
  telemetry.alerts_read("syscall", "Notice", 4);
  telemetry.alerts_read("made up 1", "Loud", 1);
  telemetry.alerts_read("made up 2", "Loud", 1);
  telemetry.dead_letter("not_json", 2);
  for (int i = 0; i < 3; ++i)
    telemetry.report_published({.kind = "finding",
                                .attention = "page",
                                .reason = i == 0 ? "opened" : "periodic",
                                .delay = std::chrono::seconds(i),
                                .caps = {"findings", "timeline"}});
  telemetry.report_published({.kind = "made up",
                              .attention = "shout",
                              .reason = "because",
                              .delay = std::chrono::seconds(0),
                              .opened = {{"Loud", std::chrono::seconds(1)}}});
  telemetry.replays_dropped(5);
  telemetry.batch_committed("intake", 10, std::chrono::milliseconds(30),
                            std::chrono::milliseconds(20));
  telemetry.batch_failed("intake", "broker down");
  telemetry.restoring("intake", 12, 12, 12);
  telemetry.tasks_recovered("intake", 2, 12, std::chrono::seconds(1));
  const std::string text = telemetry.metrics();
  EXPECT_THAT(text, HasSubstr("gyre_alerts_total{priority=\"Notice\",source=\"syscall\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("gyre_alerts_total{priority=\"other\",source=\"other\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("gyre_dead_letters_total{reason=\"not_json\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("gyre_dead_letters_total{reason=\"too_large\"} 0\n"));
  const auto revisions = [](const std::string& kind, const std::string& attention,
                            const std::string& reason, int count) {
    return HasSubstr(
        fmt::format("gyre_reports_total{{attention=\"{}\",kind=\"{}\",reason=\"{}\"}} {}\n",
                    attention, kind, reason, count));
  };
  EXPECT_THAT(text, revisions("finding", "page", "opened", 1));
  EXPECT_THAT(text, revisions("finding", "page", "periodic", 2));
  EXPECT_THAT(text, revisions("outbreak", "ticket", "members", 0));
  EXPECT_THAT(text, revisions("other", "other", "other", 1));
  EXPECT_THAT(text, HasSubstr("gyre_report_caps_total{cap=\"findings\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("gyre_report_caps_total{cap=\"members\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("gyre_report_delay_seconds_bucket{kind=\"finding\",le=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("gyre_records_read_total{stage=\"intake\"} 10\n"));
  EXPECT_THAT(text,
              HasSubstr("gyre_commit_duration_seconds_bucket{stage=\"intake\",le=\"0.025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gyre_replays_dropped_total 5\n"));
  EXPECT_THAT(text,
              HasSubstr("gyre_transactions_total{result=\"committed\",stage=\"intake\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gyre_transactions_total{result=\"failed\",stage=\"intake\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("gyre_batch_duration_seconds_bucket{stage=\"intake\",le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gyre_restored_records_total{stage=\"intake\"} 12\n"));
  EXPECT_THAT(text, HasSubstr("gyre_build_info{version=\"1.2.3\"} 1\n"));
}

TEST(Telemetry, SaysByPriorityHowLongAFindingsFirstAlertWaitedForItsReport) {
  Telemetry telemetry;
  const auto opened = [&](const char* priority, int milliseconds) {
    telemetry.report_published({.kind = "finding",
                                .attention = "page",
                                .reason = "opened",
                                .delay = std::chrono::seconds(0),
                                .opened = {{priority, std::chrono::milliseconds(milliseconds)}}});
  };
  opened("Critical", 40);
  opened("Critical", 290);
  opened("Notice", 33'000);
  opened("Loud", 1);
  telemetry.report_published({.kind = "finding",
                              .attention = "page",
                              .reason = "periodic",
                              .delay = std::chrono::seconds(100)});
  const std::string text = telemetry.metrics();
  const auto within = [](const std::string& priority, const std::string& bound, int count) {
    return HasSubstr(
        fmt::format("gyre_finding_delay_seconds_bucket{{priority=\"{}\",le=\"{}\"}} {}\n", priority,
                    bound, count));
  };
  EXPECT_THAT(text, within("Critical", "0.05", 1));
  EXPECT_THAT(text, within("Critical", "0.3", 2));
  EXPECT_THAT(text, within("Notice", "30", 0));
  EXPECT_THAT(text, within("Notice", "45", 1));
  EXPECT_THAT(text, within("other", "0.05", 1));
  EXPECT_THAT(text, HasSubstr("gyre_finding_delay_seconds_count{priority=\"Critical\"} 2\n"));
}

TEST(Telemetry, CountsTheFirstRulesAndClustersApartAndTheOthersTogether) {
  Telemetry telemetry;
  for (int i = 0; i < 1000; ++i) telemetry.alerts_of_rule("rule " + std::to_string(i), 2);
  telemetry.alerts_of_rule("rule 0", 1);
  for (int i = 0; i < 101; ++i) telemetry.alerts_of_cluster("c" + std::to_string(i), 1);
  const std::string text = telemetry.metrics();
  EXPECT_THAT(text, HasSubstr("gyre_rule_alerts_total{rule=\"rule 0\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("gyre_rule_alerts_total{rule=\"rule 499\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("rule 500")));
  EXPECT_THAT(text, HasSubstr("gyre_rule_alerts_total{rule=\"other\"} 1000\n"));
  EXPECT_THAT(text, HasSubstr("gyre_cluster_alerts_total{cluster=\"other\"} 1\n"));
}

TEST(Telemetry, AnAlertCannotForgeASeriesByItsRulesName) {
  Telemetry telemetry;
  telemetry.alerts_of_rule("a\"} 7\ngyre_ready 0\n#\\", 1);
  EXPECT_THAT(telemetry.metrics(),
              HasSubstr("gyre_rule_alerts_total{rule=\"a\\\"} 7\\ngyre_ready 0\\n#\\\\\"} 1\n"));
}

/// Everything happens once, so that every metric has a series.
std::string metrics_of_everything() {
  Telemetry telemetry;
  const LoopId loop{"intake"};
  telemetry.started("1.2.3");
  telemetry.alerts_read("syscall", "Notice", 1);
  telemetry.alerts_of_rule("r", 1);
  telemetry.alerts_of_cluster("c", 1);
  telemetry.alerts_without_cluster("t", 1);
  telemetry.report_published({.kind = "finding",
                              .attention = "page",
                              .reason = "opened",
                              .delay = std::chrono::seconds(1),
                              .opened = {{"Critical", std::chrono::seconds(1)}}});
  telemetry.batch_committed("intake", 1, std::chrono::seconds(1), std::chrono::seconds(1));
  telemetry.assigned(loop, 1);
  telemetry.restoring("intake", 1, 1, 1);
  telemetry.tasks_recovered("intake", 1, 1, std::chrono::seconds(1));
  telemetry.status().assigned(loop, std::vector{0});
  telemetry.status().task(loop, 0, {.stream_time = 1, .stopped = true});
  telemetry.status().lag(loop, 0, 1);
  telemetry.status().kafka(loop, {.client = "producer", .name = "a"});
  return telemetry.metrics();
}

TEST(Telemetry, HasEveryMetricOfTheListAndNoOther) {
  testing::internal::CaptureStderr();
  const std::string text = metrics_of_everything();
  testing::internal::GetCapturedStderr();
  std::vector<std::string> described;
  for (const Metric& metric : metric_list()) {
    EXPECT_THAT(text, HasSubstr(fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", metric.name,
                                            metric.help, metric.type)));
    described.emplace_back(metric.name);
  }
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("# TYPE ")) found.push_back(line.substr(7, line.find(' ', 7) - 7));
  EXPECT_THAT(found, testing::UnorderedElementsAreArray(described));
}

TEST(Telemetry, TheDocsShowTheListOfMetrics) {
  std::ifstream file(GYRE_SOURCE_DIR "/docs/metrics.md");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr(metric_table()));
}

TEST(ProcessUsage, IsThatOfThisProcess) {
  const auto before = process_usage();
  ASSERT_TRUE(before);
  EXPECT_GT(before->resident_bytes, 1e6);
  EXPECT_GE(before->virtual_bytes, before->resident_bytes);
  EXPECT_GE(before->threads, 1);
  EXPECT_GT(before->max_files, before->open_files);
  const double now = static_cast<double>(::time(nullptr));
  EXPECT_LE(before->start_time, now + 1);
  EXPECT_GE(before->start_time, now - 3600);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(process_usage()->open_files, before->open_files + 1);
  ::close(fd);
}

/// What systemd would read.
class NotifySocket {
 public:
  NotifySocket() {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, name_.data(), name_.size());
    at.sun_path[0] = '\0';  // the abstract namespace: nothing to clean up
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&at),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size())),
              0);
    ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  ~NotifySocket() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::close(fd_);
  }
  std::string next() const {
    char buffer[256];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    return n < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(n));
  }

 private:
  std::string name_ = "@gyre-test-" + std::to_string(::getpid());
  int fd_ = -1;
};

TEST(ServiceManager, IsToldOnceOfReadinessAndOfLifeOnlyWhileThereIsSome) {
  const NotifySocket systemd;
  ::setenv("WATCHDOG_USEC", "2", 1);
  Status status;
  status.expect({"intake"});
  ServiceManager manager;
  manager.tell(status);
  EXPECT_EQ(systemd.next(), "STATUS=intake 0: is starting");
  EXPECT_EQ(systemd.next(), "WATCHDOG=1");
  status.set_ready({"intake"}, true, "");
  manager.tell(status);
  EXPECT_EQ(systemd.next(), "READY=1\nSTATUS=ready");
  EXPECT_EQ(systemd.next(), "WATCHDOG=1");
  manager.tell(status);
  EXPECT_EQ(systemd.next(), "WATCHDOG=1");
  EXPECT_EQ(systemd.next(), "nothing");
  manager.stopping();
  EXPECT_EQ(systemd.next(), "STOPPING=1");
}

TEST(ServiceManager, WhereThereIsNoneNothingHappens) {
  Status status;
  ServiceManager manager;
  manager.tell(status);
  manager.stopping();
}

TEST(Health, SaysWhatTheProcessSays) {
  Telemetry telemetry;
  telemetry.status().expect({"intake"});
  auto server = std::make_unique<AdminServer>("127.0.0.1:0", telemetry);
  Config config;
  config.admin.listen = ":" + std::to_string(server->port());
  testing::internal::CaptureStdout();
  EXPECT_EQ(health(config), 1);
  telemetry.status().set_ready({"intake"}, true, "");
  EXPECT_EQ(health(config), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "intake 0: is starting\nok\n");
  server.reset();
  EXPECT_THROW(health(config), Failure);
}

TEST(Status, ForgetsWhatLeftWithItsPartitions) {
  Telemetry telemetry;
  Status& status = telemetry.status();
  const LoopId loop{"by_container"};
  status.assigned(loop, std::vector{0, 1});
  status.task(loop, 0, {.findings_open = 3});
  status.task(loop, 1, {.findings_open = 4});
  status.lag(loop, 0, 100);
  EXPECT_THAT(telemetry.metrics(), HasSubstr("gyre_findings_open 7\n"));
  EXPECT_THAT(telemetry.metrics(), HasSubstr("{partition=\"0\",stage=\"by_container\"} 100\n"));
  status.assigned(loop, std::vector{1});
  status.task(loop, 1, {.findings_open = 4});
  status.task(loop, 0, {.findings_open = 3});
  status.lag(loop, 0, 100);
  EXPECT_THAT(telemetry.metrics(), HasSubstr("gyre_findings_open 4\n"));
  EXPECT_THAT(telemetry.metrics(), Not(HasSubstr("{partition=\"0\"")));
}

TEST(Status, SaysOfAStageWhereItsDisksFallBehind) {
  Telemetry telemetry;
  Status& status = telemetry.status();
  const LoopId loop{"by_container"};
  status.assigned(loop, std::vector{0, 1, 2});
  status.task(loop, 0, {.state = {.bytes = 10, .compaction = 1, .delayed = true}});
  status.task(loop, 1, {.state = {.bytes = 20, .compaction = 2}});
  status.task(loop, 2, {.state = {.bytes = 30, .compaction = 3, .delayed = true}});
  const std::string text = telemetry.metrics();
  EXPECT_THAT(text, HasSubstr("gyre_state_bytes{stage=\"by_container\"} 60\n"));
  EXPECT_THAT(text, HasSubstr("gyre_state_compaction_pending_bytes{stage=\"by_container\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("gyre_state_delayed_stores{stage=\"by_container\"} 2\n"));
}

TEST(Status, CountsWhatEveryClientOfAStageMetOverAllThatTookItsPlace) {
  Telemetry telemetry;
  Status& status = telemetry.status();
  const KafkaStatistics first = {
      .client = "producer", .name = "p#1", .round_trip = 0.25, .timeouts = 2, .disconnects = 5};
  status.kafka({"intake", 0}, first);
  status.kafka({"intake", 0}, first);
  status.kafka({"intake", 0}, {.client = "producer", .name = "p#2", .disconnects = 1});
  status.kafka({"intake", 1}, {.client = "producer",
                               .name = "p#3",
                               .round_trip = 0.5,
                               .throttled = 1.5,
                               .queued = 70,
                               .timeouts = 1});
  status.kafka({"intake", 1}, {.client = "consumer", .name = "c#1", .round_trip = 9, .queued = 8});
  const std::string text = telemetry.metrics();
  EXPECT_THAT(text, HasSubstr("gyre_kafka_round_trip_seconds{stage=\"intake\"} 0.5\n"));
  const std::string producer = "{client=\"producer\",stage=\"intake\"}";
  EXPECT_THAT(text, HasSubstr("gyre_kafka_throttled_seconds" + producer + " 1.5\n"));
  EXPECT_THAT(text, HasSubstr("gyre_kafka_queued_bytes" + producer + " 70\n"));
  EXPECT_THAT(text, HasSubstr("gyre_kafka_request_timeouts_total" + producer + " 3\n"));
  EXPECT_THAT(text, HasSubstr("gyre_kafka_disconnects_total" + producer + " 6\n"));
  EXPECT_THAT(text, HasSubstr("gyre_kafka_queued_bytes{client=\"consumer\",stage=\"intake\"} 8\n"));
}

TEST(KafkaStatistics, AreTheWorstBrokersTimesAndTheSumsOfAll) {
  const auto read = read_statistics(R"({"name":"gyre#consumer-1","type":"consumer","msg_size":5,
      "brokers":{"a:9092/1":{"req_timeouts":1,"disconnects":2,"rtt":{"p50":1,"p99":1500},
                             "throttle":{"avg":0,"max":250}},
                 "b:9092/2":{"req_timeouts":3,"rtt":{"p99":900},"throttle":{"max":0}}},
      "topics":{"t":{"partitions":{"0":{"fetchq_size":100},"-1":{"fetchq_size":0}}},
                "u":{"partitions":{"7":{"fetchq_size":20}}}}})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->client, "consumer");
  EXPECT_EQ(read->name, "gyre#consumer-1");
  EXPECT_DOUBLE_EQ(read->round_trip, 0.0015);
  EXPECT_DOUBLE_EQ(read->throttled, 0.25);
  EXPECT_EQ(read->queued, 125U);
  EXPECT_EQ(read->timeouts, 4U);
  EXPECT_EQ(read->disconnects, 2U);
}

TEST(KafkaStatistics, OfAnotherFormatAreNone) {
  EXPECT_FALSE(read_statistics("{"));
  EXPECT_FALSE(read_statistics("[]"));
  EXPECT_FALSE(read_statistics(R"({"type":"consumer"})"));
}

TEST(Status, WorkersOfOneStageDoNotSpeakForEachOther) {
  Telemetry telemetry;
  Status& status = telemetry.status();
  const LoopId first{"by_container", 0};
  const LoopId second{"by_container", 1};
  status.expect(first);
  status.expect(second);
  status.set_ready(first, true, "");
  EXPECT_EQ(status.ready(), std::pair(false, std::string("by_container 1: is starting")));
  status.set_ready(second, true, "");
  EXPECT_TRUE(status.ready().first);
  status.set_ready(first, false, "recovering");
  EXPECT_FALSE(status.ready().first);

  status.assigned(first, std::vector{0, 1});
  status.task(first, 0, {.findings_open = 1});
  status.task(first, 1, {.findings_open = 2});
  // The second worker takes one of them, and says so before the first has noticed.
  status.assigned(second, std::vector{1, 2});
  status.task(second, 1, {.findings_open = 5});
  status.task(second, 2, {.findings_open = 7});
  status.task(first, 1, {.findings_open = 2});
  status.assigned(first, std::vector{0});
  status.task(first, 0, {.findings_open = 1});
  EXPECT_THAT(telemetry.metrics(), HasSubstr("gyre_findings_open 13\n"));
}

TEST(Status, SaysOfEachTaskHowFarItIs) {
  Telemetry telemetry;
  Status& status = telemetry.status();
  const LoopId loop{"by_container", 2};
  status.expect(loop);
  status.assigned(loop, std::vector{3, 4});
  status.task(loop, 3,
              {.next_offset = 17,
               .changelog_offset = 40,
               .stream_time = 1'767'323'045 * kNanosPerSecond,
               .held_by = 6,
               .findings_open = 2,
               .outbreaks_open = 1});
  status.lag(loop, 3, 9);
  EXPECT_EQ(
      status.json(),
      R"({"ready":false,"loops":[{"stage":"by_container","worker":2,"ready":false,)"
      R"("why_not":"is starting"}],"tasks":[{"stage":"by_container","partition":3,)"
      R"("worker":2,"recovered":true,"next_offset":17,"changelog_offset":40,)"
      R"("stream_time":"2026-01-02T03:04:05.000000000Z","held_by":6,"findings_open":2,)"
      R"("outbreaks_open":1,"lag":9},{"stage":"by_container","partition":4,"worker":2,"recovered":false}]})"
      "\n");
}

TEST(Telemetry, LogsARepeatedWarningOnceWithItsCount) {
  testing::internal::CaptureStderr();
  {
    Telemetry telemetry;
    for (int i = 0; i < 5; ++i) telemetry.warn("Broker is away broker=b1");
    telemetry.warn("Broker is away broker=b2");
    telemetry.batch_failed("intake", "line one\nline \"two\"");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("Z level=warning msg=\"Broker is away\" broker=b1\n"));
  EXPECT_THAT(text, HasSubstr("msg=\"Broker is away\" broker=b1 repeated=4\n"));
  EXPECT_THAT(text, HasSubstr("msg=\"Broker is away\" broker=b2\n"));
  EXPECT_THAT(text, HasSubstr(R"(stage=intake what="line one\x0aline \"two\"")"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST(Status, IsReadyOnceEveryExpectedLoopIs) {
  Status status;
  EXPECT_FALSE(status.ready().first);
  status.expect({"intake"});
  status.expect({"by_container"});
  status.set_ready({"intake"}, true, "");
  EXPECT_EQ(status.ready().second, "by_container 0: is starting");
  status.set_ready({"by_container"}, true, "");
  EXPECT_TRUE(status.ready().first);
  EXPECT_TRUE(status.healthy().first);
}

}  // namespace
}  // namespace gyre::pipeline
