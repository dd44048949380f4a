#include "config/config.hpp"
#include "config/feature_flags.hpp"
#include "config/load.hpp"
#include "config/rewrite.hpp"
#include "config/source.hpp"
#include "tools/muster/admin/access.hpp"
#include "tools/muster/admin/prompt.hpp"
#include "tools/muster/admin/runners.hpp"
#include "tools/muster/plugins.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <fmt/format.h>
#include <unistd.h>

namespace muster {

namespace {

constexpr std::array<std::string_view, 2> executors{"instance",
                                                    "docker-autoscaler"};

/// What GitLab Runner writes for "never".
constexpr unix_time no_time{-62'135'596'800};

bool is_known_executor(const std::string& x) {
  return std::ranges::find(executors, x) != executors.end();
}

std::string unknown_executor(const std::string& x) {
  return fmt::format("muster has no executor {}: it has instance and "
                     "docker-autoscaler",
                     in_quotes(x));
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::optional<std::string> no_variable(const std::string&) {
  return std::nullopt;
}

/// One registration, from the questions to the file. Every step says what went
/// wrong and returns false.
class registrar {
public:
  explicit registrar(const register_options& options) : given_(options) {
  }

  bool run() {
    return read_files() && ask_identity() && check_legacy_flags()
           && take_runner() && finish();
  }

private:
  bool fatal(const std::string& text, log::fields with = {}) const {
    log::write(log::level::fatal, text, with);
    return false;
  }

  // -- what is there ----------------------------------------------------------

  /// Before GitLab is asked for anything: what cannot be written or read is
  /// said at once.
  bool read_files() {
    if (!given_.executor.empty() && !is_known_executor(given_.executor))
      return fatal(unknown_executor(given_.executor));
    auto template_text = std::string{"[[runners]]\n"};
    if (!given_.template_path.empty()) {
      auto source = read_source(given_.template_path);
      if (!source)
        return fatal(source.error().text);
      template_text = std::move(*source);
    }
    auto parsed = config_text::parse(template_text, given_.template_path);
    if (!parsed)
      return fatal(parsed.error().text);
    if (parsed->runners() != 1)
      return fatal(fmt::format("{}: a template has exactly one [[runners]], "
                               "this one has {}",
                               given_.template_path, parsed->runners()));
    entry_.emplace(std::move(*parsed));
    template_facts_ = entry_->facts(0, no_variable);
    rewrite_options trial;
    trial.may_create = true;
    trial.is_trial = true;
    auto can = rewrite_config(
      given_.config_path,
      [](config_text&) { return result<void, config_errc>{}; }, trial);
    return can ? true : fatal(can.error().text);
  }

  // -- questions --------------------------------------------------------------

  bool ask(const char* what, const std::string& question, std::string& value,
           const std::string& fallback, bool may_be_empty = false) {
    if (!value.empty())
      return true;
    if (given_.non_interactive) {
      value = fallback;
      if (value.empty() && !may_be_empty)
        return fatal(fmt::format("{} is missing: say it, or leave out "
                                 "--non-interactive",
                                 what));
      return true;
    }
    auto answer = prompt_.ask(question, fallback, may_be_empty);
    if (!answer)
      return fatal(
        prompt::is_interrupted()
          ? "interrupted: nothing was registered"
          : fmt::format("the input ended before {} was given", what));
    value = std::move(*answer);
    return true;
  }

  bool ask_identity() {
    who_.url = given_.url;
    if (!ask("--url",
             "Enter the GitLab instance URL (for example, "
             "https://gitlab.com/):",
             who_.url, template_facts_.url))
      return false;
    token_ = given_.token.reveal();
    if (token_.empty())
      token_ = given_.registration_token.reveal();
    return ask("--token", "Enter the registration token:", token_,
               template_facts_.token.reveal());
  }

  bool is_created() const {
    return is_created_token(secret{token_});
  }

  bool has_legacy_flag() const {
    return !given_.tag_list.empty() || !given_.run_untagged.empty()
           || !given_.locked.empty() || !given_.access_level.empty()
           || !given_.maximum_timeout.empty() || !given_.paused.empty()
           || !given_.maintenance_note.empty();
  }

  bool check_legacy_flags() const {
    if (!is_created() || !has_legacy_flag())
      return true;
    if (given_.token.empty()) {
      log::warning("the runner was made in GitLab: --tag-list, "
                   "--run-untagged, --locked, --access-level, "
                   "--maximum-timeout, --paused and --maintenance-note have no "
                   "effect");
      return true;
    }
    return fatal(
      "Runner configuration other than name and executor configuration is "
      "reserved (specifically --locked, --access-level, --run-untagged, "
      "--maximum-timeout, --paused, --tag-list, and --maintenance-note) and "
      "cannot be specified when registering with a runner authentication "
      "token. This configuration is specified on the GitLab server. Please try "
      "again without specifying any of those arguments.");
  }

  // -- GitLab -----------------------------------------------------------------

  bool take_runner() {
    who_.token = secret{token_};
    who_.executor
      = given_.executor.empty() ? template_facts_.executor : given_.executor;
    if (auto values = given_.more(who_.executor); !values)
      return fatal(values.error().text);
    else
      use_tls_of(*values);
    auto access
      = runner_access::make(who_, system_id_beside(given_.config_path));
    if (!access)
      return fatal(access.error().text);
    access_.emplace(std::move(*access));
    if (is_created() || !given_.token.empty())
      return verify();
    return ask_legacy() && register_new();
  }

  void use_tls_of(const std::vector<new_entry_value>& values) {
    for (auto [key, field] : {std::pair{"tls-ca-file", &who_.tls_ca_file},
                              std::pair{"tls-cert-file", &who_.tls_cert_file},
                              std::pair{"tls-key-file", &who_.tls_key_file}})
      for (const auto& x : values)
        if (x.keys == key_names{key})
          *field = std::get<std::string>(x.value);
    if (who_.tls_ca_file.empty())
      who_.tls_ca_file = template_facts_.tls_ca_file;
    if (who_.tls_cert_file.empty())
      who_.tls_cert_file = template_facts_.tls_cert_file;
    if (who_.tls_key_file.empty())
      who_.tls_key_file = template_facts_.tls_key_file;
  }

  log::fields fields() const {
    return {{"runner", short_token(secret{token_})}};
  }

  bool verify() {
    if (!is_created()) {
      log::warning("Token specified trying to verify runner...");
      log::warning("If you want to register use the '--registration-token' "
                   "instead of '--token'.");
    }
    auto answer = access_->verify(who_.token);
    auto with = fields();
    if (answer.error) {
      with.emplace_back("err", answer.error->text);
      log::error(answer.status == 403 ? "Verifying runner... is not valid"
                                      : "Verifying runner... failed",
                 with);
      return fatal("Failed to verify the runner.");
    }
    if (is_created() && answer.runner.id == 0)
      return fatal(
        "Failed to verify the runner: GitLab's answer names none. Is "
        "the URL right?",
        with);
    log::info(is_created() ? "Verifying runner... is valid"
                           : "Verifying runner... is alive",
              with);
    note(answer.runner);
    return true;
  }

  bool ask_legacy() {
    name_ = given_.name;
    form_.tag_list = given_.tag_list;
    form_.maintenance_note = given_.maintenance_note;
    return ask("--description", "Enter a description for the runner:", name_,
               name_fallback())
           && ask("--tag-list", "Enter tags for the runner (comma-separated):",
                  form_.tag_list, "", true)
           && ask("--maintenance-note",
                  "Enter optional maintenance note for the runner:",
                  form_.maintenance_note, "", true)
           && fill_form();
  }

  bool fill_form() {
    form_.token = who_.token;
    form_.description = name_;
    form_.locked = true;
    form_.run_untagged = form_.tag_list.empty();
    form_.paused = false;
    for (auto [flag, text, field] :
         {std::tuple{"--locked", &given_.locked, &form_.locked},
          std::tuple{"--run-untagged", &given_.run_untagged,
                     &form_.run_untagged},
          std::tuple{"--paused", &given_.paused, &form_.paused}}) {
      if (text->empty())
        continue;
      auto value = parse_bool(*text);
      if (!value)
        return fatal(fmt::format("{} must be true or false", flag));
      *field = *value;
    }
    form_.access_level = given_.access_level;
    if (!form_.access_level.empty() && form_.access_level != "not_protected"
        && form_.access_level != "ref_protected")
      return fatal("--access-level must be not_protected or ref_protected");
    const auto& text = given_.maximum_timeout;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(),
                                        form_.maximum_timeout);
    if (!text.empty()
        && (error != std::errc{} || end != text.data() + text.size()
            || form_.maximum_timeout < 0))
      return fatal("--maximum-timeout must be a number of seconds");
    return true;
  }

  bool register_new() {
    log::warning("Support for registration tokens and runner parameters in the "
                 "'register' command has been deprecated in GitLab 15.6. Make "
                 "the runner in GitLab and use its authentication token.");
    auto answer = access_->register_runner(form_);
    auto with = fields();
    if (answer.error) {
      with.emplace_back("err", answer.error->text);
      log::error(answer.status == 403
                   ? "Registering runner... forbidden (check registration "
                     "token)"
                   : "Registering runner... failed",
                 with);
      return fatal("Failed to register the runner.");
    }
    log::info("Registering runner... succeeded", with);
    who_.token = answer.runner.token;
    note(answer.runner);
    return true;
  }

  void note(const runner_identity& x) {
    identity_ = x;
    is_taken_ = true;
  }

  // -- the file ---------------------------------------------------------------

  /// From here on a failure gives the runner back, unless it is to be left.
  bool finish() {
    if (ask_rest() && write())
      return true;
    if (is_taken_ && !given_.leave_runner)
      give_back();
    return false;
  }

  std::string name_fallback() const {
    return template_facts_.name.empty() ? host_name() : template_facts_.name;
  }

  bool ask_rest() {
    if (name_.empty())
      name_ = given_.name;
    if (!ask("--name",
             "Enter a name for the runner. This is stored only in the local "
             "config.toml file:",
             name_, name_fallback()))
      return false;
    executor_ = given_.executor;
    for (;;) {
      if (!ask("--executor", "Enter an executor: instance, docker-autoscaler:",
               executor_, template_facts_.executor))
        return false;
      if (is_known_executor(executor_))
        break;
      if (given_.non_interactive)
        return fatal(unknown_executor(executor_));
      log::error(unknown_executor(executor_));
      executor_.clear();
    }
    auto values = given_.more(executor_);
    if (!values)
      return fatal(values.error().text);
    values_ = std::move(*values);
    return ask_image();
  }

  bool ask_image() {
    if (executor_ != "docker-autoscaler")
      return true;
    auto has = [this](const key_names& keys) {
      return entry_->has(0, keys)
             || std::ranges::any_of(
               values_, [&](const auto& x) { return x.keys == keys; });
    };
    if (!has({"docker", "image"})) {
      std::string image;
      if (!ask("--docker-image",
               "Enter the default Docker image (for example, ruby:3.3):", image,
               ""))
        return false;
      values_.push_back({{"docker", "image"}, image});
    }
    if (!has({"docker", "volumes"}))
      values_.push_back(
        {{"docker", "volumes"}, std::vector<std::string>{"/cache"}});
    return true;
  }

  bool fill_entry() {
    auto put = [this](const key_names& keys, const new_value& value,
                      std::string_view after = {}) {
      auto done = entry_->set(0, keys, value, after);
      return done ? true : fatal(done.error().text);
    };
    auto expires = identity_.token_expires_at
                     ? unix_time{*identity_.token_expires_at}
                     : no_time;
    if (!put({"name"}, name_) || !put({"url"}, who_.url, "name")
        || !put({"id"}, identity_.id, "url")
        || !put({"token"}, who_.token, "id")
        || !put({"token_obtained_at"}, unix_time{std::time(nullptr)}, "token")
        || !put({"token_expires_at"}, expires, "token_obtained_at")
        || !put({"executor"}, executor_, "token_expires_at"))
      return false;
    return std::ranges::all_of(
      values_, [&](const auto& x) { return put(x.keys, x.value); });
  }

  bool write() {
    if (prompt::is_interrupted())
      return fatal("interrupted");
    if (!fill_entry())
      return false;
    rewrite_options options;
    options.may_create = true;
    auto is_known = false;
    auto done = rewrite_config(
      given_.config_path,
      [&](config_text& x) {
        is_known = false;
        for (size_t i = 0; i < x.runners(); ++i)
          is_known |= x.facts(i, environment_variable).token == who_.token;
        if (x.text().empty())
          x = *config_text::parse("concurrent = 1\n", given_.config_path);
        return x.append(*entry_);
      },
      options);
    if (!done)
      return fatal(done.error().text);
    if (is_known)
      log::warning("A runner with this token is in the configuration already: "
                   "it is there twice now",
                   {{"runner", short_token(who_.token)}});
    log::info("Runner registered successfully. Feel free to start it, but if "
              "muster is running already, start it again");
    log::info(fmt::format("Configuration (with the authentication token) was "
                          "saved in \"{}\"",
                          given_.config_path));
    tell_faults();
    return true;
  }

  /// What keeps the new runner from being served, if anything.
  void tell_faults() const {
    auto loaded
      = load_config(given_.config_path, with_plugins(check_mode::check));
    for (const auto& x : loaded.diagnostics)
      if (x.level >= severity::error)
        log::warning(headline(x), x.hint.empty()
                                    ? log::fields{}
                                    : log::fields{{"hint", x.hint}});
  }

  void give_back() {
    auto answer = access_->unregister(who_.token);
    log::fields with{{"runner", short_token(who_.token)}};
    if (answer.error)
      with.emplace_back("err", answer.error->text);
    if (answer.error)
      log::error("the runner cannot be taken back in GitLab", with);
    else
      log::info("the runner was taken back in GitLab", with);
  }

  const register_options& given_;
  prompt prompt_;
  std::optional<config_text> entry_; ///< the new [[runners]]
  runner_entry_facts template_facts_;
  runner_entry_facts who_;
  std::string token_; ///< as given: of a runner, or for registration
  std::string name_;
  std::string executor_;
  registration form_;
  std::optional<runner_access> access_;
  runner_identity identity_;
  std::vector<new_entry_value> values_;
  bool is_taken_ = false; ///< GitLab knows this manager as the runner's
};

} // namespace

int register_runner(const register_options& options) {
  return registrar{options}.run() ? 0 : 1;
}

} // namespace muster
