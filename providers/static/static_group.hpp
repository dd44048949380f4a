#pragma once

#include "config/config.hpp"
#include "providers/instance_group.hpp"
#include "providers/key_reader.hpp"
#include "providers/static/options.hpp"
#include "providers/static/pool.hpp"

#include <map>
#include <string>
#include <vector>

namespace muster {

/// Given hosts as a pool (`plugin = "static"`). More instances are free hosts
/// of the list; fewer are hosts that are free again: nothing is ever deleted,
/// and a host keeps its name, its pinned key and its failures.
///
/// Which hosts are in use is in `<state_dir>/static/<name>.json`, so that the
/// next manager finds them, with the jobs that are still on them. One manager
/// at a time uses the folder (it locks its state folder).
class static_group final : public instance_group {
public:
  static_group(given::options options, connector_config connector,
               std::string state_dir, key_reader read_key);
  ~static_group() override;

  static_group(const static_group&) = delete;
  static_group& operator=(const static_group&) = delete;

  /// Errors: `bad_config` (a key that cannot be read, a host without user name
  /// or credential, a name that another group has), `not_available` (the state
  /// file).
  result<group_info, provider_errc> init(deadline by) override;

  result<std::vector<listed_instance>, provider_errc>
  update(deadline by) override;

  /// Errors: `not_available` if there are only hosts that failed a moment ago,
  /// by name, or the state file cannot be written.
  result<int, provider_errc> increase(int count, deadline by) override;

  result<std::vector<std::string>, provider_errc>
  decrease(const std::vector<std::string>& ids, deadline by) override;

  void failed(const std::vector<std::string>& ids) override;

  result<connect_info, provider_errc> get_connect_info(const std::string& id,
                                                       deadline by) override;

  /// A host in use is healthy as far as this list knows.
  result<void, provider_errc> heartbeat(const std::string& id,
                                        deadline by) override;

  /// Leaves the hosts in use as they are.
  void shutdown(deadline by) override;

private:
  result<void, provider_errc> take_lock(deadline by);
  result<void, provider_errc> read_keys();
  result<void, provider_errc> load();
  result<void, provider_errc> save() const;

  given::options options_;
  connector_config connector_;
  std::string state_dir_;
  key_reader read_key_;
  std::map<std::string, given::host> hosts_; ///< with their keys read
  given::pool pool_;
  int lock_ = -1; ///< on the state file: one group has it
};

/// What of the hosts' user names, credentials and addresses cannot work, or
/// nothing.
std::string fault_of(const given::options& options,
                     const connector_config& connector);

} // namespace muster
