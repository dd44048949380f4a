// A fleeting plugin for tests: speaks the protocol as plugins of three
// generations do, and misbehaves as its `plugin_config` or a file says.
//
//   cloud       file of its instances (see cloud.hpp); required
//   generation  1: without Heartbeat, Suspend and Resume; 2: with Heartbeat;
//               3 (default): with all, and the capability
//   max_size    of the group (100)
//   id          of the group ("test-group")
//   address     internal and external address of all instances
//   external    the latter, if it is another
//   username, key, protocol, protocol_port, expires_in   for connections, if
//   the
//               host says nothing of them
//   unhealthy   list of ids that have no heartbeat
//   print       text that its code prints once it is connected
//   faults      {"CALL": "FAULT"}: hang, freeze (the whole process), exit,
//   error,
//               error20 (one in five), garbage; for Update also repeat, drop,
//               break (in the middle), endless, odd_states, odd_ids; for
//               Increase more, huge; for Decrease others; for ConnectInfo
//               empty, hang1 (for the first instance only)

#include "tests/support/fleeting_plugin/cloud.hpp"

#include <fleeting.grpc.pb.h>
#include <health.grpc.pb.h>
#include <plugin.grpc.pb.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <grpcpp/grpcpp.h>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

using grpc::Status;
using grpc::StatusCode;
using muster::test::cloud;
using nlohmann::json;
using namespace std::chrono_literals;

/// One line as the plugins' logger writes it.
void log_line(const char* level, const std::string& message,
              json fields = json::object()) {
  fields["@level"] = level;
  fields["@message"] = message;
  fields["@timestamp"] = "2026-01-02T03:04:05.678901Z";
  auto text = fields.dump() + "\n";
  [[maybe_unused]] auto done = write(2, text.data(), text.size());
}

/// The code that a fault ends a call with; or it does not come back.
Status misbehave(const std::string& fault) {
  if (fault == "hang") {
    for (;;)
      std::this_thread::sleep_for(1h);
  }
  if (fault == "freeze") {
    std::raise(SIGSTOP);
    return Status::OK;
  }
  if (fault == "exit") {
    std::fputs("panic: this plugin was told to fail\n"
               "goroutine 1 [running]:\n",
               stderr);
    _exit(2);
  }
  return {StatusCode::UNKNOWN, "the cloud said no"};
}

class group final
  : public proto::InstanceGroup::WithRawCallbackMethod_ConnectInfo<
      proto::InstanceGroup::Service> {
public:
  Status Init(grpc::ServerContext*, const proto::InitRequest* request,
              proto::InitResponse* response) override {
    auto read = json::parse(request->config(), nullptr, false);
    if (!request->has_settings() || !request->settings().has_connector_config())
      return {StatusCode::UNKNOWN, "nil pointer dereference"};
    if (read.is_discarded())
      return {StatusCode::UNKNOWN,
              "unmarshaling config: unexpected end of JSON input"};
    if (!read.is_object() || !read.contains("cloud"))
      return {StatusCode::UNKNOWN, "no cloud in plugin_config"};
    config_ = read;
    cloud_ = std::make_unique<cloud>(config_["cloud"]);
    settings_ = request->settings().connector_config();
    cloud_->note("Init", {{"config", request->config()},
                          {"os", settings_.os()},
                          {"arch", settings_.arch()},
                          {"protocol", settings_.protocol()},
                          {"username", settings_.username()},
                          {"password", settings_.password()},
                          {"key", settings_.key()},
                          {"static", settings_.usestaticcredentials()},
                          {"keepalive", settings_.keepalive()},
                          {"timeout", settings_.timeout()},
                          {"port", settings_.protocol_port()}});
    if (auto fault = fault_of("Init"); !fault.empty())
      return misbehave(fault);
    log_line("info", "group is open", {{"group", "test"}, {"size", 7}});
    response->set_id(config_.value("id", "test-group"));
    response->set_max_size(config_.value("max_size", uint32_t{100}));
    response->set_version("1.2.3");
    response->set_build_info("sha=0; ref=test");
    if (generation() >= 3)
      response->add_capabilities("suspend_resume");
    return Status::OK;
  }

  Status Update(grpc::ServerContext*, const proto::Empty*,
                grpc::ServerWriter<proto::UpdateResponse>* out) override {
    cloud_->note("Update");
    auto fault = fault_of("Update");
    auto say = [out](const std::string& id, int state) {
      proto::UpdateResponse row;
      row.set_instance(id);
      row.set_state(static_cast<proto::UpdateResponse_State>(state));
      return out->Write(row);
    };
    if (fault == "endless")
      for (int i = 0; say("x-" + std::to_string(i), 1);)
        ++i;
    if (fault == "odd_ids")
      for (const auto* id : {"", "a\x1b[2Jb", "a\nb"})
        say(id, 1);
    if (fault == "odd_ids")
      say(std::string(5000, 'x'), 1);
    auto all = cloud_->list();
    for (const auto& [id, state] : all) {
      if (fault == "drop")
        break;
      say(id, fault == "odd_states" ? 42 : state == "running" ? 1 : 0);
      if (fault == "repeat")
        say(id, 3); // deleted
      if (fault == "break")
        return {StatusCode::UNKNOWN, "the listing broke off"};
    }
    if (fault == "hang" || fault == "freeze" || fault == "exit"
        || fault == "error")
      return misbehave(fault);
    return Status::OK;
  }

  Status Increase(grpc::ServerContext*, const proto::IncreaseRequest* request,
                  proto::IncreaseResponse* response) override {
    cloud_->note("Increase", request->n());
    auto fault = fault_of("Increase");
    if (fault == "more" || fault == "huge") {
      cloud_->add(fault == "more" ? request->n() + 1 : request->n());
      response->set_succeeded(fault == "more" ? request->n() + 1 : UINT32_MAX);
      return Status::OK;
    }
    if (fault == "exit") // it has been done, and nobody hears of it
      cloud_->add(request->n());
    if (!fault.empty())
      return misbehave(fault);
    cloud_->add(request->n());
    response->set_succeeded(request->n());
    return Status::OK;
  }

  Status Decrease(grpc::ServerContext*, const proto::DecreaseRequest* request,
                  proto::DecreaseResponse* response) override {
    cloud_->note("Decrease",
                 std::vector<std::string>{request->instances().begin(),
                                          request->instances().end()});
    auto fault = fault_of("Decrease");
    if (fault == "others") {
      response->add_succeeded("somebody-else");
    } else if (!fault.empty()) {
      return misbehave(fault);
    }
    for (const auto& id : request->instances())
      if (cloud_->remove(id))
        response->add_succeeded(id);
    return Status::OK;
  }

  /// By hand, so that it can be no answer at all.
  grpc::ServerUnaryReactor* ConnectInfo(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* bytes,
                                        grpc::ByteBuffer* answer) override {
    auto* reactor = context->DefaultReactor();
    proto::ConnectInfoRequest request;
    grpc::Slice whole;
    if (bytes->TrySingleSlice(&whole).ok())
      request.ParseFromArray(whole.begin(), static_cast<int>(whole.size()));
    cloud_->note("ConnectInfo", request.instance());
    auto fault = fault_of("ConnectInfo");
    auto text = connect_info(fault).SerializeAsString();
    if (fault == "garbage")
      text = "\xff\xff\xff\xff this is no message";
    if (fault == "hang" || (fault == "hang1" && request.instance() == "i-1"))
      return reactor; // never finished
    if (fault == "freeze" || fault == "exit" || fault == "error")
      reactor->Finish(misbehave(fault));
    else if (!cloud_->has(request.instance()))
      reactor->Finish({StatusCode::UNKNOWN, "no such instance"});
    else {
      grpc::Slice slice{text};
      *answer = grpc::ByteBuffer{&slice, 1};
      reactor->Finish(Status::OK);
    }
    return reactor;
  }

  Status Heartbeat(grpc::ServerContext*, const proto::HeartbeatRequest* request,
                   proto::Empty*) override {
    if (generation() < 2)
      return {StatusCode::UNIMPLEMENTED, "unknown method Heartbeat"};
    cloud_->note("Heartbeat", request->instance());
    if (auto fault = fault_of("Heartbeat"); !fault.empty())
      return misbehave(fault);
    for (const auto& id : config_.value("unhealthy", json::array()))
      if (id == request->instance())
        return {StatusCode::UNKNOWN, "instance is unhealthy"};
    return Status::OK;
  }

  Status Suspend(grpc::ServerContext*, const proto::SuspendRequest*,
                 proto::SuspendResponse*) override {
    cloud_->note("Suspend");
    return generation() < 3
             ? Status{StatusCode::UNIMPLEMENTED, "unknown method Suspend"}
             : Status::OK;
  }

  Status Shutdown(grpc::ServerContext*, const proto::Empty*,
                  proto::Empty*) override {
    if (cloud_)
      cloud_->note("Shutdown");
    if (auto fault = fault_of("Shutdown"); !fault.empty())
      return misbehave(fault);
    return Status::OK;
  }

  /// What its code prints.
  std::string printed() const {
    return config_.value("print", "");
  }

  std::string fault_of(const std::string& call) {
    if (!cloud_)
      return "";
    auto fault = cloud_->fault(call);
    if (fault.empty() && config_.contains("faults"))
      fault = config_["faults"].value(call, "");
    if (fault != "error20")
      return fault;
    std::lock_guard guard{mutex_};
    return chance_() % 5 == 0 ? "error" : "";
  }

private:
  int generation() const {
    return config_.value("generation", 3);
  }

  proto::ConnectInfoResponse connect_info(const std::string& fault) const {
    proto::ConnectInfoResponse out;
    if (fault == "empty")
      return out;
    auto& how = *out.mutable_connector();
    how = settings_;
    auto fill = [this](const char* key, std::string* value) {
      if (value->empty())
        *value = config_.value(key, "");
    };
    fill("username", how.mutable_username());
    fill("key", how.mutable_key());
    fill("protocol", how.mutable_protocol());
    if (how.os().empty())
      how.set_os("linux");
    if (generation() < 2)
      how.set_protocol_port(0);
    else if (how.protocol_port() == 0)
      how.set_protocol_port(config_.value("protocol_port", 0));
    out.set_internaladdr(config_.value("address", ""));
    out.set_externaladdr(config_.value("external", out.internaladdr()));
    if (auto seconds = config_.value("expires_in", 0); seconds > 0)
      out.set_expires(time(nullptr) + seconds);
    return out;
  }

  json config_ = json::object();
  proto::ConnectorConfig settings_;
  std::unique_ptr<cloud> cloud_;
  std::mutex mutex_;
  std::minstd_rand chance_{20'261'128};
};

class health final : public grpc::health::v1::Health::Service {
public:
  Status Check(grpc::ServerContext*,
               const grpc::health::v1::HealthCheckRequest* request,
               grpc::health::v1::HealthCheckResponse* response) override {
    if (request->service() != "plugin")
      return {StatusCode::NOT_FOUND, "unknown service"};
    response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    return Status::OK;
  }
};

class stdio final : public plugin::GRPCStdio::Service {
public:
  explicit stdio(const group& from) : from_(from) {
  }

  Status StreamStdio(grpc::ServerContext* context, const plugin::Empty*,
                     grpc::ServerWriter<plugin::StdioData>* out) override {
    auto told = false;
    while (!context->IsCancelled()) {
      std::this_thread::sleep_for(10ms);
      if (told || from_.printed().empty())
        continue;
      told = true;
      plugin::StdioData piece;
      piece.set_channel(plugin::StdioData::STDOUT);
      piece.set_data(from_.printed() + "\n");
      out->Write(piece);
    }
    return Status::OK;
  }

private:
  const group& from_;
};

class controller final : public plugin::GRPCController::Service {
public:
  std::atomic<bool> done = false;

  explicit controller(group& of) : of_(of) {
  }

  Status Shutdown(grpc::ServerContext*, const plugin::Empty*,
                  plugin::Empty*) override {
    done = of_.fault_of("Stop") != "ignore";
    return Status::OK;
  }

private:
  group& of_;
};

} // namespace

int main() {
  const char* cookie = std::getenv("FLEETING_INSTANCE_GROUP_PLUGIN");
  if (cookie == nullptr
      || cookie != std::string{"4c6410b1-cb78-4962-8c76-ab936d0ea908"}) {
    std::cerr << "This binary is a plugin. These are not meant to be executed "
                 "directly.\n";
    return 1;
  }
  std::signal(SIGINT, SIG_IGN);
  const char* folder = std::getenv("PLUGIN_UNIX_SOCKET_DIR");
  auto socket = std::string{folder == nullptr ? "/tmp" : folder} + "/plugin"
                + std::to_string(getpid());
  group instances;
  health alive;
  stdio output{instances};
  controller control{instances};
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(INT_MAX);
  builder.SetMaxSendMessageSize(INT_MAX);
  builder.RegisterService(&instances);
  builder.RegisterService(&alive);
  builder.RegisterService(&output);
  builder.RegisterService(&control);
  auto server = builder.BuildAndStart();
  if (!server)
    return 3;
  log_line("debug", "plugin address",
           {{"address", socket}, {"network", "unix"}});
  std::cout << "1|0|unix|" << socket << "|grpc|\n" << std::flush;
  while (!control.done)
    std::this_thread::sleep_for(2ms);
  unlink(socket.c_str());
  _exit(0); // calls that hang are not waited for
}
