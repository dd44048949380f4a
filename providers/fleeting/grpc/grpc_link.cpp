#include "providers/fleeting/link.hpp"

#include <fleeting.grpc.pb.h>
#include <health.grpc.pb.h>
#include <plugin.grpc.pb.h>

#include <algorithm>
#include <climits>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <mutex>
#include <set>
#include <thread>

namespace muster::fleeting {

namespace {

namespace api = ::proto;

/// By the monotonic clock: a wall clock that jumps shall end no call.
gpr_timespec gpr_deadline(plugin_link::deadline by) {
  using namespace std::chrono;
  auto left = ceil<milliseconds>(by - steady_clock::now()).count();
  return gpr_time_add(
    gpr_now(GPR_CLOCK_MONOTONIC),
    gpr_time_from_millis(std::max<int64_t>(left, 0), GPR_TIMESPAN));
}

call_error error_of(const grpc::Status& x) {
  switch (x.error_code()) {
    case grpc::StatusCode::UNIMPLEMENTED:
      return {call_outcome::unimplemented, x.error_message()};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {call_outcome::timed_out, x.error_message()};
    case grpc::StatusCode::CANCELLED:
      return {call_outcome::cancelled, x.error_message()};
    case grpc::StatusCode::UNAVAILABLE:
      return {call_outcome::broken, x.error_message()};
    default:
      return {call_outcome::refused, x.error_message()};
  }
}

void fill(api::ConnectorConfig& to, const connector& from) {
  to.set_os(from.os);
  to.set_arch(from.arch);
  to.set_protocol(from.protocol);
  to.set_username(from.username);
  to.set_password(from.password);
  to.set_key(from.key);
  to.set_usestaticcredentials(from.use_static_credentials);
  to.set_keepalive(from.keepalive.count());
  to.set_timeout(from.timeout.count());
  to.set_protocol_port(from.protocol_port);
}

connector read(const api::ConnectorConfig& from) {
  connector to;
  to.os = from.os();
  to.arch = from.arch();
  to.protocol = from.protocol();
  to.username = from.username();
  to.password = from.password();
  to.key = from.key();
  to.use_static_credentials = from.usestaticcredentials();
  to.keepalive = std::chrono::nanoseconds{from.keepalive()};
  to.timeout = std::chrono::nanoseconds{from.timeout()};
  to.protocol_port = from.protocol_port();
  return to;
}

/// The calls under way, so that all of them can be ended.
class call_registry {
public:
  /// Returns false once `cancel` was called: then there are to be no more.
  bool add(grpc::ClientContext* call) {
    std::lock_guard guard{mutex_};
    if (cancelled_)
      return false;
    calls_.insert(call);
    return true;
  }

  void remove(grpc::ClientContext* call) {
    std::lock_guard guard{mutex_};
    calls_.erase(call);
  }

  void cancel() {
    std::lock_guard guard{mutex_};
    cancelled_ = true;
    for (auto* call : calls_)
      call->TryCancel();
  }

private:
  std::mutex mutex_;
  std::set<grpc::ClientContext*> calls_;
  bool cancelled_ = false;
};

/// A call's context, in the registry for as long as it lives.
class call_scope {
public:
  call_scope(call_registry& calls, plugin_link::deadline by) : calls_(calls) {
    context.set_deadline(gpr_deadline(by));
    allowed_ = calls_.add(&context);
  }

  ~call_scope() {
    calls_.remove(&context);
  }

  call_scope(const call_scope&) = delete;
  call_scope& operator=(const call_scope&) = delete;

  bool allowed() const {
    return allowed_;
  }

  grpc::ClientContext context;

private:
  call_registry& calls_;
  bool allowed_ = false;
};

std::shared_ptr<grpc::Channel> open_channel(const std::string& target) {
  grpc::ChannelArguments how;
  how.SetMaxReceiveMessageSize(INT_MAX);
  how.SetMaxSendMessageSize(INT_MAX);
  // The plugin is on this machine, and its socket never comes back.
  how.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  how.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  how.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // One connection each: a second plugin may have the path of an earlier one.
  how.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   how);
}

class grpc_link final : public plugin_link {
public:
  grpc_link(const std::string& target, link_events events)
    : events_(std::move(events)),
      channel_(open_channel(target)),
      group_(api::InstanceGroup::NewStub(channel_)),
      stdio_(plugin::GRPCStdio::NewStub(channel_)),
      controller_(plugin::GRPCController::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)) {
  }

  ~grpc_link() override {
    cancel();
    stdio_call_.TryCancel();
    if (printer_.joinable())
      printer_.join();
  }

  grpc_link(const grpc_link&) = delete;
  grpc_link& operator=(const grpc_link&) = delete;

  bool wait_connected(deadline by) override {
    if (!channel_->WaitForConnected(gpr_deadline(by)))
      return false;
    // A plugin that prints much stands still unless somebody reads it.
    if (!printer_.joinable())
      printer_ = std::thread{[this] { read_stdio(); }};
    return true;
  }

  answer<init_answer> init(const std::string& config, const connector& settings,
                           deadline by) override {
    api::InitRequest request;
    request.set_config(config);
    fill(*request.mutable_settings()->mutable_connector_config(), settings);
    api::InitResponse response;
    auto done = call(&api::InstanceGroup::Stub::Init, request, response, by);
    if (!done.ok())
      return tl::unexpected{error_of(done)};
    return init_answer{
      response.id(),
      response.max_size(),
      response.version(),
      response.build_info(),
      {response.capabilities().begin(), response.capabilities().end()}};
  }

  answer<void> update(const std::function<bool(update_row)>& each,
                      deadline by) override {
    call_scope scope{calls_, by};
    if (!scope.allowed())
      return tl::unexpected{call_error{call_outcome::cancelled, ""}};
    auto reader = group_->Update(&scope.context, api::Empty{});
    api::UpdateResponse row;
    while (reader->Read(&row))
      if (!each({row.instance(), row.state()})) {
        scope.context.TryCancel();
        break;
      }
    auto done = reader->Finish();
    if (!done.ok())
      return tl::unexpected{error_of(done)};
    return {};
  }

  answer<uint32_t> increase(uint32_t count, deadline by) override {
    api::IncreaseRequest request;
    request.set_n(count);
    api::IncreaseResponse response;
    auto done
      = call(&api::InstanceGroup::Stub::Increase, request, response, by);
    if (!done.ok())
      return tl::unexpected{error_of(done)};
    return response.succeeded();
  }

  answer<std::vector<std::string>> decrease(const std::vector<std::string>& ids,
                                            deadline by) override {
    api::DecreaseRequest request;
    for (const auto& id : ids)
      request.add_instances(id);
    api::DecreaseResponse response;
    auto done
      = call(&api::InstanceGroup::Stub::Decrease, request, response, by);
    if (!done.ok())
      return tl::unexpected{error_of(done)};
    return std::vector<std::string>{response.succeeded().begin(),
                                    response.succeeded().end()};
  }

  answer<connect_answer> get_connect_info(const std::string& id,
                                          deadline by) override {
    api::ConnectInfoRequest request;
    request.set_instance(id);
    api::ConnectInfoResponse response;
    auto done
      = call(&api::InstanceGroup::Stub::ConnectInfo, request, response, by);
    if (!done.ok())
      return tl::unexpected{error_of(done)};
    return connect_answer{read(response.connector()), response.externaladdr(),
                          response.internaladdr(), response.expires()};
  }

  answer<void> heartbeat(const std::string& id, deadline by) override {
    api::HeartbeatRequest request;
    request.set_instance(id);
    api::Empty response;
    auto done
      = call(&api::InstanceGroup::Stub::Heartbeat, request, response, by);
    if (!done.ok())
      return tl::unexpected{error_of(done)};
    return {};
  }

  answer<void> shutdown(deadline by) override {
    // Also after `cancel`, which is how a shutdown begins.
    grpc::ClientContext context;
    context.set_deadline(gpr_deadline(by));
    api::Empty response;
    auto done = group_->Shutdown(&context, api::Empty{}, &response);
    if (!done.ok())
      return tl::unexpected{error_of(done)};
    return {};
  }

  void stop_serving(deadline by) override {
    grpc::ClientContext context;
    context.set_deadline(gpr_deadline(by));
    plugin::Empty response;
    // Mostly it breaks off: the plugin stops at once.
    (void)controller_->Shutdown(&context, plugin::Empty{}, &response);
  }

  bool is_responsive(deadline by) override {
    grpc::ClientContext context;
    context.set_deadline(gpr_deadline(by));
    grpc::health::v1::HealthCheckRequest request;
    request.set_service("plugin");
    grpc::health::v1::HealthCheckResponse response;
    auto done = health_->Check(&context, request, &response).error_code();
    // Any answer is one; that it is not known, too.
    return done != grpc::StatusCode::DEADLINE_EXCEEDED
           && done != grpc::StatusCode::UNAVAILABLE;
  }

  void cancel() override {
    calls_.cancel();
  }

private:
  template <class Request, class Response>
  grpc::Status call(grpc::Status (api::InstanceGroup::Stub::*method)(
                      grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response, deadline by) {
    call_scope scope{calls_, by};
    if (!scope.allowed())
      return {grpc::StatusCode::CANCELLED, ""};
    return ((*group_).*method)(&scope.context, request, &response);
  }

  void read_stdio() {
    auto reader = stdio_->StreamStdio(&stdio_call_, plugin::Empty{});
    plugin::StdioData piece;
    while (reader->Read(&piece))
      if (events_.printed)
        events_.printed(piece.channel() == plugin::StdioData::STDERR,
                        piece.data());
    (void)reader->Finish(); // plugins that do not have it are fine
  }

  link_events events_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<api::InstanceGroup::Stub> group_;
  std::unique_ptr<plugin::GRPCStdio::Stub> stdio_;
  std::unique_ptr<plugin::GRPCController::Stub> controller_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  call_registry calls_;
  grpc::ClientContext stdio_call_;
  std::thread printer_;
};

std::unique_ptr<plugin_link> connect(const std::string& target,
                                     link_events events) {
  return std::make_unique<grpc_link>(target, std::move(events));
}

} // namespace

} // namespace muster::fleeting

extern "C" [[gnu::visibility("default")]] const muster::fleeting::link_module*
muster_fleeting_module() {
  static const muster::fleeting::link_module module{MUSTER_VERSION,
                                                    muster::fleeting::connect};
  // Its own lines on stderr would be no lines of muster's log; what matters of
  // them comes back as the failure of a call.
  gpr_set_log_function([](gpr_log_func_args*) {});
  return &module;
}
