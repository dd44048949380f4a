#pragma once

#include "config/config.hpp"
#include "providers/instance_group.hpp"
#include "providers/local/boot.hpp"
#include "providers/local/host.hpp"
#include "providers/local/options.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace muster {

/// Whether what runs on an instance can reach the rest of this machine.
struct isolation_report {
  bool isolated = false; ///< namespaces: what an instance started ends with it
  std::string text;      ///< one line for the log
};

/// The embedded provider (`plugin = "local"`): an instance is a private sshd on
/// loopback with its own keys and home. As root it lives in mount, PID, UTS and
/// IPC namespaces of its own; else it runs as the user.
///
/// All that lasts is in `<state_dir>/local/<name>/<instance>/`; instances
/// outlive the manager, and the next one lists those that are still alive.
/// Booting goes on by itself; `update` sees how far it has come. One manager at
/// a time uses the folder (it locks its state folder).
class local_group final : public instance_group {
public:
  local_group(local::options options, connector_config connector,
              std::string state_dir);
  ~local_group() override;

  local_group(const local_group&) = delete;
  local_group& operator=(const local_group&) = delete;

  /// Errors: `bad_config` (options, connector_config, a state folder of a newer
  /// version), `not_available` (no sshd, state folder not writable).
  result<group_info, provider_errc> init(deadline by) override;

  result<std::vector<listed_instance>, provider_errc>
  update(deadline by) override;

  result<int, provider_errc> increase(int count, deadline by) override;

  /// Ends all processes of the instances and removes their folders. One that
  /// does not end in time is listed as `deleting`, and tried again by `update`.
  result<std::vector<std::string>, provider_errc>
  decrease(const std::vector<std::string>& ids, deadline by) override;

  result<connect_info, provider_errc> get_connect_info(const std::string& id,
                                                       deadline by) override;

  /// Healthy is an instance whose processes are not stopped and whose sshd
  /// answers a connection with its banner; the banner is asked for at most once
  /// a second, since sshd forks for it.
  result<void, provider_errc> heartbeat(const std::string& id,
                                        deadline by) override;

  /// Leaves the instances running.
  void shutdown(deadline by) override;

  /// Valid after `init`.
  const isolation_report& isolation() const {
    return isolation_;
  }

private:
  enum class phase : uint8_t {
    booting,
    up,
    failed, ///< never came up
    lost,   ///< was up
    ending, ///< is to be removed
  };

  struct member {
    local::boot boot;
    phase at = phase::booting;
    bool was_listed = false;
    deadline banner_seen{};
  };

  result<void, provider_errc> check_settings() const;
  result<void, provider_errc> prepare_folder() const;
  result<void, provider_errc> adopt_all(deadline by);
  result<void, provider_errc> adopt(const std::string& id, deadline by);

  local::boot_request request_for(const std::string& id) const;
  result<void, provider_errc> add_instance();
  void advance(member& what, deadline by);
  void advance_boot(member& what, deadline by);
  bool retry_port(member& what);
  void give_up(member& what, phase at, const std::string& why, deadline by);
  bool end_processes(const member& what, deadline by) const;
  bool try_end(member& what, deadline by);
  void remove_folder(const std::string& id);
  void reap_removers();

  std::string folder_of(const std::string& id) const;
  provider_instance_state state_of(const member& what) const;

  local::options options_;
  connector_config connector_;
  std::string state_dir_;
  std::string folder_; ///< of the group
  local::machine machine_;
  isolation_report isolation_;
  std::map<std::string, member> members_;
  std::vector<pid_t> removers_; ///< children that remove folders
};

} // namespace muster
