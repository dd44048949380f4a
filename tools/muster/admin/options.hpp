#pragma once

#include "tools/muster/admin/commands.hpp"
#include "tools/muster/admin/runner_flags.hpp"
#include "tools/muster/commands.hpp"

#include <CLI/CLI.hpp>
#include <string>

namespace muster {

/// The options of the commands on runners. Lives as long as the parser.
class admin_commands {
public:
  /// Adds the commands. They set `status` when they ran.
  void add_to(CLI::App& app, const global_options& global, int& status,
              const std::string& default_config);

private:
  /// Runs a command with the log set up; its status goes to `status_`.
  template <class Command>
  void run(Command command);

  CLI::App* add(const char* name, const char* what, std::string& config_path);
  void add_list();
  void add_verify();
  void add_unregister();
  void add_reset_token();
  void add_register();
  void add_legacy_flags(CLI::App& to);
  void add_run_single();

  CLI::App* app_ = nullptr;
  const global_options* global_ = nullptr;
  int* status_ = nullptr;
  std::string default_config_;

  std::string list_config_;
  runner_choice verify_;
  bool verify_removes_ = false;
  unregister_options unregister_;
  reset_options reset_;
  register_options register_;
  runner_flags register_flags_;
  single_options single_;
  runner_flags single_flags_;
  std::string single_token_;
  std::string verify_token_; ///< the parser knows texts only
  std::string unregister_token_;
  std::string personal_token_;
  std::string register_token_;
  std::string registration_token_;
};

} // namespace muster
