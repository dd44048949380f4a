#pragma once

#include "config/config.hpp"
#include "providers/fleeting/plugin.hpp"
#include "providers/instance_group.hpp"
#include "providers/key_reader.hpp"

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace muster {

namespace fleeting {

/// What a plugin's group is made with.
struct group_options {
  plugin_options plugin;
  std::string config_json = "null"; ///< `plugin_config`
  connector_config connector;
  key_reader read_key; ///< called only if the connector has a `key_path`
};

} // namespace fleeting

/// Any fleeting plugin: an unmodified program that makes instances in some
/// cloud, kept as a process and spoken to with gRPC
/// (reference/fleeting-plugins).
///
/// A plugin whose process has ended, that answers nothing any more, or that
/// exceeds the deadline of two calls in a row is lost, and this group with it:
/// `on_loss` tells, and another has to be made.
class fleeting_group final : public instance_group {
public:
  explicit fleeting_group(fleeting::group_options options);

  fleeting_group(const fleeting_group&) = delete;
  fleeting_group& operator=(const fleeting_group&) = delete;

  /// Finds the plugin, starts it, and gives it `plugin_config`.
  ///
  /// Errors: `bad_config` (the plugin's name, an unreadable key),
  /// `not_available` (not there, cannot be started, no plugin), `call_failed`
  /// (it refused), `timed_out`.
  result<group_info, provider_errc> init(deadline by) override;

  /// Entries that mean nothing are left out with a warning. A listing that
  /// broke off is an error: nobody is missing from it.
  result<std::vector<listed_instance>, provider_errc>
  update(deadline by) override;

  /// `timed_out` also means that the plugin was lost meanwhile: it may or may
  /// not have been done.
  result<int, provider_errc> increase(int count, deadline by) override;

  result<std::vector<std::string>, provider_errc>
  decrease(const std::vector<std::string>& ids, deadline by) override;

  result<connect_info, provider_errc> get_connect_info(const std::string& id,
                                                       deadline by) override;

  /// Unhealthy is what the plugin calls so. One that does not know the call, or
  /// does not answer, has said nothing against the instance.
  result<void, provider_errc> heartbeat(const std::string& id,
                                        deadline by) override;

  /// The plugin cleans up, stops serving, and is killed if it has not exited
  /// soon after. Its instances stay.
  void shutdown(deadline by) override;

  bool is_concurrent() const override {
    return true;
  }

  void on_loss(loss_handler tell) override;

  void cancel() override;

  /// The plugin's process; -1: there is none.
  pid_t plugin_pid() const {
    return plugin_.pid();
  }

private:
  result<void, provider_errc> read_key();
  template <class Call>
  auto ask(const Call& call)
    -> decltype(call(std::declval<fleeting::plugin_link&>()));
  failure<provider_errc> failed(const char* call,
                                const fleeting::call_error& why) const;
  void answered(bool in_time, const char* call);
  std::optional<provider_instance_state>
  state_of(const fleeting::update_row& row);
  bool is_usable(const std::string& id);
  log::fields fields() const;

  fleeting::group_options options_;
  fleeting::running_plugin plugin_;
  std::atomic<bool> started_ = false; ///< calls may come from several threads
  secret key_;
  std::map<std::string, provider_instance_state> states_; ///< last listed
  std::set<int> odd_states_; ///< that were warned of
  bool warned_of_ids_ = false;
  int timeouts_ = 0; ///< calls in a row that exceeded their deadline
};

} // namespace muster
