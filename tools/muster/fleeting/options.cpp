#include "tools/muster/fleeting/options.hpp"

#include <cstdio>

namespace muster {

template <class Command>
void fleeting_commands::run(Command command) {
  configure_log(*global_);
  *status_ = command();
}

void fleeting_commands::add_to(CLI::App& app, const global_options& global,
                               int& status, const std::string& default_config) {
  global_ = &global;
  status_ = &status;
  config_path_ = default_config;
  auto* cmd = app.add_subcommand("fleeting", "Install fleeting plugins");
  cmd->add_option("-c,--config", config_path_, "Configuration")
    ->type_name("FILE")
    ->envname("CONFIG_FILE");
  cmd->require_subcommand(0, 1);
  add_install(*cmd);
  add_list(*cmd);
  add_login(*cmd);
  cmd->footer(
    "Each has a --help. Plugins are in $FLEETING_PLUGIN_PATH, else in"
    "\n~/.config/fleeting/plugins, where GitLab Runner has them, too.");
  cmd->callback([cmd] {
    if (cmd->get_subcommands().empty())
      std::fputs(cmd->help().c_str(), stdout);
  });
}

void fleeting_commands::add_install(CLI::App& to) {
  auto* cmd
    = to.add_subcommand("install", "Install the plugins that the runners name");
  cmd->add_flag("--upgrade", upgrade_,
                "Also newer versions of those that are there");
  cmd->footer(
    "A plugin is NAME, NAME:TAG or NAME@sha256:..., from registry.gitlab.com "
    "unless\nNAME begins with another registry; a TAG such as 1 or 1.2 means "
    "the highest such\nversion. What is a path or on PATH stays as it is.\n"
    "Exit status: 0 if all are there, 1 otherwise.");
  cmd->callback([this] {
    run([this] { return install_plugins(config_path_, upgrade_); });
  });
}

void fleeting_commands::add_list(CLI::App& to) {
  auto* cmd = to.add_subcommand("list", "Show which programs are used");
  cmd->footer("No registry is asked.\nExit status: 0 if all are there, 1 "
              "otherwise.");
  cmd->callback([this] { run([this] { return list_plugins(config_path_); }); });
}

void fleeting_commands::add_login(CLI::App& to) {
  auto* cmd = to.add_subcommand("login", "Keep a password for a registry");
  cmd->add_option("registry", login_.registry,
                  "HOST or HOST:PORT (" + login_.registry + ")");
  cmd->add_option("--username", login_.username, "The user, or a token's name")
    ->type_name("NAME");
  cmd
    ->add_option("--password", password_,
                 "The password or token; others can see it there")
    ->type_name("TEXT");
  cmd->add_flag("--password-stdin", login_.password_from_stdin,
                "Read it from stdin");
  cmd->footer("What is missing is asked for. It is kept as Docker's client "
              "does, in\n$DOCKER_CONFIG/config.json, else "
              "~/.docker/config.json, or by the credential\nhelper named "
              "there. The registry is not asked.");
  cmd->callback([this] {
    if (!password_.empty())
      login_.password = secret{password_};
    run([this] { return login_to_registry(login_); });
  });
}

} // namespace muster
