#pragma once

#include "actors/manager/manager.hpp"
#include "config/load.hpp"
#include "tools/muster/equip.hpp"
#include "tools/muster/file_watch.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace muster {

/// Says what was found in a configuration.
void tell(const loaded_config& loaded);

/// How the file is read again, and for whom.
struct reload_setup {
  std::string path;
  load_options how;
  muster_config in_force; ///< nothing of it changes while muster runs
  shared_parts shared;
  std::shared_ptr<newest<read_config>> board; ///< where the manager looks
  std::function<void(const config&)> apply;   ///< as of `read_config`
  /// Sees each that can be used, before the manager hears of it.
  std::function<void(const loaded_config&)> usable;
};

/// An edge: reads config.toml again when it is told to, or when the file has
/// changed. What cannot be used is logged, and the manager hears nothing of it.
class config_reader {
public:
  /// `first` is what is in force.
  config_reader(reload_setup setup, const file_stamp& first_stamp,
                const loaded_config& first);

  /// Looks at the file; returns when to look again.
  std::chrono::milliseconds look(const manager_actor& to);

  /// Reads it in any case.
  void read_now(const manager_actor& to);

private:
  void read(const manager_actor& to, bool asked);
  void tell_new(const loaded_config& loaded);

  reload_setup setup_;
  file_watch watch_;
  std::set<std::string> said_; ///< of the file as it was read last
};

} // namespace muster
