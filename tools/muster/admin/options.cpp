#include "tools/muster/admin/options.hpp"

#include "config/log.hpp"
#include "config/version.hpp"

#include <unistd.h>

namespace muster {

template <class Command>
void admin_commands::run(Command command) {
  configure_log(*global_);
  log::info("Runtime platform", {{"arch", arch_text},
                                 {"os", "linux"},
                                 {"pid", std::to_string(getpid())},
                                 {"revision", revision_text},
                                 {"version", version_text}});
  *status_ = command();
}

void admin_commands::add_to(CLI::App& app, const global_options& global,
                            int& status, const std::string& default_config) {
  app_ = &app;
  global_ = &global;
  status_ = &status;
  default_config_ = default_config;
  add_list();
  add_verify();
  add_register();
  add_unregister();
  add_reset_token();
  add_run_single();
}

CLI::App* admin_commands::add(const char* name, const char* what,
                              std::string& config_path) {
  config_path = default_config_;
  auto* cmd = app_->add_subcommand(name, what);
  cmd->add_option("-c,--config", config_path, "Configuration")
    ->type_name("FILE")
    ->envname("CONFIG_FILE");
  return cmd;
}

void admin_commands::add_list() {
  auto* cmd = add("list", "Show the runners of a configuration", list_config_);
  cmd->footer("Tokens are shown short. GitLab is not asked.");
  cmd->callback([this] { run([this] { return list_runners(list_config_); }); });
}

void admin_commands::add_verify() {
  auto* cmd = add("verify", "Ask GitLab if tokens are valid; reset-token, list",
                  verify_.config_path);
  cmd->add_option("-n,--name", verify_.name, "Only runners with this name")
    ->type_name("NAME");
  cmd->add_option("-u,--url", verify_.url, "Only those of this GitLab")
    ->type_name("URL");
  cmd->add_option("-t,--token", verify_token_, "Only those with this token")
    ->type_name("TOKEN");
  cmd->add_flag("--delete", verify_removes_,
                "Remove runners that are not valid");
  cmd->footer("Only a 403 makes a runner invalid: a GitLab that cannot be "
              "reached does not.\nExit status: 1 if a runner is not valid and "
              "was not removed, or none matches.");
  cmd->callback([this] {
    verify_.token = secret{verify_token_};
    run([this] { return verify_runners(verify_, verify_removes_); });
  });
}

void admin_commands::add_unregister() {
  auto& x = unregister_;
  auto* cmd = add("unregister", "Take runners out of GitLab and the file",
                  x.which.config_path);
  cmd->add_option("-n,--name", x.which.name, "The runner with this name")
    ->type_name("NAME");
  cmd->add_option("-t,--token", unregister_token_, "The one with this token")
    ->type_name("TOKEN")
    ->envname("CI_SERVER_TOKEN");
  cmd->add_option("-u,--url", x.which.url, "Its GitLab")
    ->type_name("URL")
    ->envname("CI_SERVER_URL");
  cmd->add_flag("--all-runners", x.all, "All of them");
  cmd->add_option("--tls-ca-file", x.tls_ca_file, "More trusted certificates")
    ->type_name("FILE")
    ->envname("CI_SERVER_TLS_CA_FILE");
  cmd->add_option("--tls-cert-file", x.tls_cert_file, "Client certificate")
    ->type_name("FILE")
    ->envname("CI_SERVER_TLS_CERT_FILE");
  cmd->add_option("--tls-key-file", x.tls_key_file, "Its key")
    ->type_name("FILE")
    ->envname("CI_SERVER_TLS_KEY_FILE");
  cmd->footer("Of a runner made in GitLab (token glrt-...) only this manager "
              "is taken out.\nAn entry is removed only if GitLab agreed.");
  cmd->callback([this] {
    unregister_.which.token = secret{unregister_token_};
    run([this] { return unregister_runners(unregister_); });
  });
}

void admin_commands::add_reset_token() {
  auto& x = reset_;
  auto* cmd = add("reset-token", "Give runners new tokens, in GitLab and here",
                  x.which.config_path);
  cmd->add_option("-n,--name", x.which.name, "The runner with this name")
    ->type_name("NAME");
  cmd->add_option("-u,--url", x.which.url, "Its GitLab, with --id")
    ->type_name("URL")
    ->envname("CI_SERVER_URL");
  cmd->add_option("-i,--id", x.id, "Its id in GitLab, with --url")
    ->type_name("ID");
  cmd
    ->add_option("--pat", personal_token_,
                 "A personal access token, not its own")
    ->type_name("TOKEN");
  cmd->add_flag("--all-runners", x.all, "All of them");
  cmd->footer("A muster that is running goes on with the old token, which "
              "GitLab refuses from\nthen on: start it again. A token of the "
              "environment cannot be changed here.");
  cmd->callback([this] {
    reset_.personal_token = secret{personal_token_};
    run([this] { return reset_tokens(reset_); });
  });
}

void admin_commands::add_register() {
  auto& x = register_;
  auto* cmd = add("register", "Add a runner to the file; also: unregister",
                  x.config_path);
  cmd
    ->add_option("--template-config", x.template_path,
                 "A file with one [[runners]], for the rest")
    ->type_name("FILE")
    ->envname("TEMPLATE_CONFIG_FILE");
  cmd->add_flag("-n,--non-interactive", x.non_interactive, "Ask nothing")
    ->envname("REGISTER_NON_INTERACTIVE");
  cmd->add_option("-u,--url", x.url, "GitLab's URL")
    ->type_name("URL")
    ->envname("CI_SERVER_URL");
  cmd
    ->add_option("-t,--token", register_token_,
                 "The runner's authentication token, glrt-...")
    ->type_name("TOKEN")
    ->envname("CI_SERVER_TOKEN");
  cmd->add_option("-r,--registration-token", registration_token_)
    ->group("") // deprecated
    ->envname("REGISTRATION_TOKEN");
  cmd->add_option("--name,--description", x.name, "Shown in logs")
    ->type_name("NAME")
    ->envname("RUNNER_NAME");
  cmd->add_option("--executor", x.executor, "instance or docker-autoscaler")
    ->type_name("NAME")
    ->envname("RUNNER_EXECUTOR");
  cmd->add_flag("--leave-runner", x.leave_runner)
    ->group("")
    ->envname("REGISTER_LEAVE_RUNNER");
  add_legacy_flags(*cmd);
  register_flags_.add_to(*cmd);
  cmd->footer(
    "Keys of [[runners]] and its tables are flags, too: --limit, "
    "--docker-image,\n--cache-type, ... [runners.autoscaler] comes from "
    "a template only.");
  cmd->callback([this] {
    register_.token = secret{register_token_};
    register_.registration_token = secret{registration_token_};
    register_.more = [this](const std::string& executor) {
      return register_flags_.values(executor, environment_variable);
    };
    run([this] { return register_runner(register_); });
  });
}

void admin_commands::add_legacy_flags(CLI::App& to) {
  auto& x = register_;
  auto text
    = [&to](const char* name, std::string& value, const char* variable) {
        to.add_option(name, value)->group("")->envname(variable);
      };
  // As texts: what was not given is told from false.
  auto flag
    = [&to](const char* name, std::string& value, const char* variable) {
        to.add_flag(name, value)->group("")->envname(variable);
      };
  text("--tag-list", x.tag_list, "RUNNER_TAG_LIST");
  flag("--run-untagged", x.run_untagged, "REGISTER_RUN_UNTAGGED");
  flag("--locked", x.locked, "REGISTER_LOCKED");
  text("--access-level", x.access_level, "REGISTER_ACCESS_LEVEL");
  text("--maximum-timeout", x.maximum_timeout, "REGISTER_MAXIMUM_TIMEOUT");
  flag("--paused", x.paused, "REGISTER_PAUSED");
  text("--maintenance-note", x.maintenance_note, "REGISTER_MAINTENANCE_NOTE");
}

void admin_commands::add_run_single() {
  auto& x = single_;
  auto* cmd
    = add("run-single", "Serve one runner, a job at a time", x.config_path);
  cmd->add_option("-r,--runner", x.runner, "The runner of the file")
    ->type_name("NAME");
  cmd->add_option("--max-builds", x.builds_max, "End after so many jobs")
    ->type_name("N");
  cmd
    ->add_option("--wait-timeout", x.wait_timeout,
                 "End after so many seconds without one")
    ->type_name("N");
  cmd->add_option("-u,--url", x.url, "GitLab's URL, without --runner")
    ->type_name("URL")
    ->envname("CI_SERVER_URL");
  cmd->add_option("-t,--token", single_token_, "The runner's token, likewise")
    ->type_name("TOKEN")
    ->envname("CI_SERVER_TOKEN");
  cmd->add_option("--executor", x.executor, "Its executor, likewise")
    ->type_name("NAME")
    ->envname("RUNNER_EXECUTOR");
  cmd->add_option("--name,--description", x.name)
    ->group("")
    ->envname("RUNNER_NAME");
  single_flags_.add_to(*cmd);
  cmd->footer("Keys of [[runners]] are flags, as of register. Only a file can "
              "have the\n[runners.autoscaler] that the executor instance "
              "needs.");
  cmd->callback([this] {
    single_.token = secret{single_token_};
    single_.more = [this](const std::string& executor) {
      return single_flags_.values(executor, environment_variable);
    };
    *status_ = run_single(*global_, single_);
  });
}

} // namespace muster
