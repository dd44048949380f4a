#include "executors/plan/registry_logins.hpp"

#include "executors/cache/digest.hpp"
#include "executors/plan/container_names.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

namespace muster {

namespace {

using json = nlohmann::json;

/// A client may have logged in to very many registries; each is a program's
/// start.
constexpr size_t asked_max = 64;

std::string text_of(const json& in, const char* key) {
  auto at = in.is_object() ? in.find(key) : in.end();
  return at != in.end() && at->is_string() ? at->get<std::string>() : "";
}

/// Who somebody is to a registry, in docker's words.
struct registry_user {
  std::string username;
  std::string password;
  std::string auth;
  std::string email;
  std::string identity_token;
  std::string registry_token;

  bool is_known() const {
    return !username.empty() || !identity_token.empty()
           || !registry_token.empty();
  }

  /// Value of X-Registry-Auth.
  secret header(const std::string& server) const {
    json out = json::object();
    for (const auto& [key, value] :
         {std::pair{"username", &username}, std::pair{"password", &password},
          std::pair{"auth", &auth}, std::pair{"email", &email},
          std::pair{"serveraddress", &server},
          std::pair{"identitytoken", &identity_token},
          std::pair{"registrytoken", &registry_token}})
      if (!value->empty())
        out[key] = *value;
    auto text
      = base64_of(out.dump(-1, ' ', false, json::error_handler_t::replace));
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return secret{std::move(text)};
  }
};

registry_user user_in(const json& entry) {
  registry_user out{
    text_of(entry, "username"),      text_of(entry, "password"),
    text_of(entry, "auth"),          text_of(entry, "email"),
    text_of(entry, "identitytoken"), text_of(entry, "registrytoken")};
  auto pair = base64_decoded(out.auth);
  auto colon = pair ? pair->find(':') : std::string::npos;
  if (!out.auth.empty() && colon != std::string::npos) {
    out.username = pair->substr(0, colon);
    auto password = pair->substr(colon + 1);
    // Old clients wrote a zero behind it.
    out.password = password.substr(0, password.find('\0'));
  }
  out.auth.clear(); // it is said by name and password
  return out;
}

/// The answer of a program to `get`.
registry_user user_of_answer(const json& answer) {
  registry_user out;
  out.username = text_of(answer, "Username");
  out.password = text_of(answer, "Secret");
  if (out.username == "<token>") {
    out.identity_token = std::move(out.password);
    out.username.clear();
    out.password.clear();
  }
  return out;
}

/// By their registries' keys, with the name that its source has for it.
using found_users
  = std::map<std::string, std::pair<std::string, registry_user>>;

struct collector {
  const login_sources& from;
  std::vector<std::string>& warnings;
  std::vector<registry_login> out = {};

  void warn(const std::string& source, const std::string& what) {
    warnings.push_back("Registry credentials of " + source + ": " + what);
  }

  /// Nothing if it is no object; a program's words may hold a password.
  std::optional<json> asked(const std::string& source, const std::string& name,
                            const std::string& command,
                            const std::string& input) {
    auto text = from.ask(name, command, input);
    if (!text) {
      // Its words for a registry that nobody has logged in to.
      if (text.error().text.find("credentials not found") == std::string::npos)
        warn(source, text.error().text);
      return std::nullopt;
    }
    auto answer = json::parse(*text, nullptr, false);
    if (answer.is_object())
      return answer;
    warn(source, "docker-credential-" + name + " does not answer " + command
                   + " with a JSON object");
    return std::nullopt;
  }

  void ask_for(const std::string& source, const std::string& name,
               const std::string& server, found_users& users) {
    if (auto answer = asked(source, name, "get", server))
      if (auto user = user_of_answer(*answer); user.is_known())
        users[registry_key(server)] = {server, std::move(user)};
  }

  /// A file of docker's client, and the programs that it names.
  void add_config(const std::string& text, const std::string& source) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
      return;
    auto config = json::parse(text, nullptr, false);
    if (!config.is_object()) {
      warn(source, "it is no JSON object");
      return;
    }
    // The old form has the registries at its top.
    auto is_old = !config.contains("auths") && !config.contains("credsStore")
                  && !config.contains("credHelpers");
    auto auths = is_old ? config : config.value("auths", json::object());
    found_users users;
    for (const auto& [server, entry] : auths.items())
      if (auto user = user_in(entry); user.is_known())
        users[registry_key(server)] = {server, std::move(user)};
    if (auto store = text_of(config, "credsStore"); !store.empty())
      if (auto list = asked(source, store, "list", "")) {
        size_t number = 0;
        for (const auto& [server, ignored] : list->items())
          if (++number <= asked_max)
            ask_for(source, store, server, users);
      }
    auto helpers = config.value("credHelpers", json::object());
    size_t number = 0;
    for (const auto& [server, name] : helpers.items())
      if (name.is_string() && ++number <= asked_max)
        ask_for(source, name.get<std::string>(), server, users);
    for (const auto& [key, found] : users)
      add(found.first, found.second, source);
  }

  void add(const std::string& server, const registry_user& user,
           const std::string& source) {
    auto key = registry_key(server);
    auto is_there = std::ranges::any_of(
      out, [&key](const registry_login& x) { return x.registry == key; });
    if (!is_there && !key.empty())
      out.push_back({key, user.header(server), source});
  }
};

} // namespace

std::vector<registry_login> collect_logins(const login_sources& from,
                                           const job_payload& payload,
                                           std::vector<std::string>& warnings) {
  collector all{from, warnings};
  all.add_config(from.auth_config, "$DOCKER_AUTH_CONFIG");
  all.add_config(from.file, from.file_path);
  for (const auto& x : payload.credentials) {
    registry_user user;
    user.username = x.username;
    user.password = x.password.reveal();
    if (x.type == "registry" && user.is_known())
      all.add(x.url, user, "job payload (GitLab Registry)");
  }
  return std::move(all.out);
}

} // namespace muster
