#pragma once

#include "tools/muster/commands.hpp"
#include "tools/muster/fleeting/commands.hpp"

#include <CLI/CLI.hpp>
#include <string>

namespace muster {

/// The options of the commands on plugins. Lives as long as the parser.
class fleeting_commands {
public:
  /// Adds the commands. They set `status` when they ran.
  void add_to(CLI::App& app, const global_options& global, int& status,
              const std::string& default_config);

private:
  /// Runs a command with the log set up.
  template <class Command>
  void run(Command command);

  void add_install(CLI::App& to);
  void add_list(CLI::App& to);
  void add_login(CLI::App& to);

  const global_options* global_ = nullptr;
  int* status_ = nullptr;
  std::string config_path_;
  bool upgrade_ = false;
  login_options login_;
  std::string password_; ///< the parser knows texts only
};

} // namespace muster
