// fleeting-plugin-bench: the local provider as a fleeting plugin, so that what
// a cloud's plugin costs can be measured. `plugin_config` is that of
// `plugin = "local"`, and
//
//   state_dir  folder of its hosts; required
//   calls      file that gets a line `UNIX_US CALL` for each call; required
//   shared     true: one host stands for all instances
//   blind      true: a host that is gone is listed as running, as clouds list
//              machines of which only the network is broken

#include "config/config.hpp"
#include "providers/local/local_group.hpp"

#include <fleeting.grpc.pb.h>
#include <plugin.grpc.pb.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

using namespace muster;
using namespace std::chrono_literals;
using grpc::Status;
using grpc::StatusCode;

template <class T>
Status status_of(const result<T, provider_errc>& x) {
  return x ? Status::OK : Status{StatusCode::UNKNOWN, x.error().text};
}

instance_group::deadline soon() {
  return std::chrono::steady_clock::now() + 50s;
}

/// Hosts, and what is told of them.
class bench_group final : public proto::InstanceGroup::Service {
public:
  Status Init(grpc::ServerContext*, const proto::InitRequest* request,
              proto::InitResponse* response) override {
    std::lock_guard guard{mutex_};
    auto config = nlohmann::json::parse(request->config(), nullptr, false);
    if (!config.is_object() || !config.contains("state_dir")
        || !config.contains("calls"))
      return {StatusCode::INVALID_ARGUMENT,
              "plugin_config: state_dir and calls are required"};
    auto folder = config["state_dir"].get<std::string>();
    calls_ = open(config["calls"].get<std::string>().c_str(),
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    shared_ = config.value("shared", false);
    blind_ = config.value("blind", false);
    for (const auto* own : {"state_dir", "calls", "shared", "blind"})
      config.erase(own);
    note("Init");
    auto options = local::parse_options(config.dump());
    if (!options)
      return status_of(options);
    hosts_
      = std::make_unique<local_group>(*options, connector_config{}, folder);
    auto info = hosts_->init(soon());
    if (!info)
      return status_of(info);
    response->set_id(info->id);
    response->set_max_size(static_cast<uint32_t>(info->max_size));
    response->set_version(info->version);
    response->set_build_info(info->build_info);
    return Status::OK;
  }

  Status Update(grpc::ServerContext*, const proto::Empty*,
                grpc::ServerWriter<proto::UpdateResponse>* out) override {
    std::lock_guard guard{mutex_};
    note("Update");
    auto listed = hosts_->update(soon());
    if (!listed)
      return status_of(listed);
    auto say = [out](const std::string& id, provider_instance_state state) {
      proto::UpdateResponse row;
      row.set_instance(id);
      row.set_state(static_cast<proto::UpdateResponse_State>(state));
      out->Write(row);
    };
    for (const auto& x : *listed) {
      if (shared_)
        for (const auto& id : members_)
          say(id, x.state);
      else if (!blind_ || !members_.contains(x.id))
        say(x.id, x.state);
      if (blind_ && x.state == provider_instance_state::running)
        members_.insert(x.id);
    }
    if (blind_)
      for (const auto& id : members_)
        say(id, provider_instance_state::running);
    return Status::OK;
  }

  Status Increase(grpc::ServerContext*, const proto::IncreaseRequest* request,
                  proto::IncreaseResponse* response) override {
    std::lock_guard guard{mutex_};
    note("Increase");
    auto count = static_cast<int>(request->n());
    if (shared_) {
      if (members_.empty())
        if (auto host = hosts_->increase(1, soon()); !host)
          return status_of(host);
      for (int i = 0; i < count; ++i)
        members_.insert(fmt::format("shared-{:04}", ++named_));
      response->set_succeeded(request->n());
      return Status::OK;
    }
    auto made = hosts_->increase(count, soon());
    if (made)
      response->set_succeeded(static_cast<uint32_t>(*made));
    return status_of(made);
  }

  Status Decrease(grpc::ServerContext*, const proto::DecreaseRequest* request,
                  proto::DecreaseResponse* response) override {
    std::lock_guard guard{mutex_};
    note("Decrease");
    std::vector<std::string> ids{request->instances().begin(),
                                 request->instances().end()};
    for (const auto& id : ids)
      if (members_.erase(id) > 0)
        response->add_succeeded(id);
    if (shared_ && members_.empty())
      ids = host_ids();
    else if (shared_)
      return Status::OK;
    auto removed = hosts_->decrease(ids, soon());
    if (removed && !shared_) {
      response->clear_succeeded();
      for (const auto& id : blind_ ? ids : *removed)
        response->add_succeeded(id);
    }
    return status_of(removed);
  }

  Status ConnectInfo(grpc::ServerContext*,
                     const proto::ConnectInfoRequest* request,
                     proto::ConnectInfoResponse* response) override {
    std::lock_guard guard{mutex_};
    note("ConnectInfo");
    auto found = hosts_->get_connect_info(host_of(request->instance()), soon());
    if (!found)
      return status_of(found);
    auto& how = *response->mutable_connector();
    how.set_os(found->os);
    how.set_arch(found->arch);
    how.set_protocol(found->protocol);
    how.set_protocol_port(found->port);
    how.set_username(found->username);
    how.set_key(found->key.reveal());
    response->set_internaladdr(found->host);
    response->set_externaladdr(found->host);
    return Status::OK;
  }

  Status Heartbeat(grpc::ServerContext*, const proto::HeartbeatRequest* request,
                   proto::Empty*) override {
    std::lock_guard guard{mutex_};
    note("Heartbeat");
    if (blind_)
      return Status::OK;
    return status_of(hosts_->heartbeat(host_of(request->instance()), soon()));
  }

  Status Shutdown(grpc::ServerContext*, const proto::Empty*,
                  proto::Empty*) override {
    std::lock_guard guard{mutex_};
    note("Shutdown");
    hosts_->shutdown(soon());
    return Status::OK;
  }

private:
  void note(const char* call) const {
    auto at = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
    auto line = fmt::format("{} {}\n", at.count(), call);
    if (write(calls_, line.data(), line.size()) < 0)
      std::perror("fleeting-plugin-bench: calls cannot be written");
  }

  std::vector<std::string> host_ids() {
    std::vector<std::string> out;
    if (auto listed = hosts_->update(soon()))
      for (const auto& x : *listed)
        out.push_back(x.id);
    return out;
  }

  std::string host_of(const std::string& instance) {
    if (!shared_)
      return instance;
    auto hosts = host_ids();
    return hosts.empty() ? instance : hosts.front();
  }

  std::mutex mutex_;
  std::unique_ptr<local_group> hosts_;
  int calls_ = -1;
  bool shared_ = false;
  bool blind_ = false;
  std::set<std::string> members_; ///< if shared all, if blind those that ran
  int named_ = 0;
};

class controller final : public plugin::GRPCController::Service {
public:
  std::atomic<bool> done = false;

  Status Shutdown(grpc::ServerContext*, const plugin::Empty*,
                  plugin::Empty*) override {
    done = true;
    done.notify_all();
    return Status::OK;
  }
};

} // namespace

int main() {
  const char* folder = std::getenv("PLUGIN_UNIX_SOCKET_DIR");
  if (std::getenv("FLEETING_INSTANCE_GROUP_PLUGIN") == nullptr
      || folder == nullptr) {
    std::fputs("This is a fleeting plugin for muster-bench, which starts it.\n",
               stderr);
    return 1;
  }
  std::signal(SIGINT, SIG_IGN);
  auto socket = fmt::format("{}/plugin{}", folder, getpid());
  bench_group hosts;
  controller control;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(&hosts);
  builder.RegisterService(&control);
  auto server = builder.BuildAndStart();
  if (!server) {
    std::fprintf(stderr, "%s: no socket can be made\n", socket.c_str());
    return 1;
  }
  server->GetHealthCheckService()->SetServingStatus("plugin", true);
  std::printf("1|0|unix|%s|grpc|\n", socket.c_str());
  std::fflush(stdout);
  control.done.wait(false);
  server->Shutdown(std::chrono::system_clock::now() + 1s);
  unlink(socket.c_str());
  return 0;
}
