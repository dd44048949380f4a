#include "tools/muster/fleeting/docker_config.hpp"

#include "executors/cache/digest.hpp"

#include <nlohmann/json.hpp>

namespace muster::fleeting {

namespace {

using nlohmann::ordered_json;

constexpr auto blanks = " \t\r\n";

/// A helper's answer has this name for a user that is a token.
constexpr std::string_view token_user = "<token>";

tl::unexpected<failure<config_errc>> wrong(const std::string& why) {
  return fail(config_errc::not_valid, why);
}

result<ordered_json, config_errc> parsed(std::string_view text) {
  if (text.find_first_not_of(blanks) == std::string_view::npos)
    return ordered_json::object();
  auto out = ordered_json::parse(text, nullptr, false);
  if (!out.is_object())
    return wrong("it is no JSON object");
  return out;
}

std::string text_of(const ordered_json& in, const std::string& key) {
  auto at = in.is_object() ? in.find(key) : in.end();
  return at != in.end() && at->is_string() ? at->get<std::string>() : "";
}

/// `https://r.example.com/v1/` is `r.example.com`, as Docker's client has it.
std::string host_of(std::string_view key) {
  if (auto scheme = key.find("://"); scheme != std::string_view::npos)
    key.remove_prefix(scheme + 3);
  return std::string{key.substr(0, key.find('/'))};
}

/// The entry under a registry's own name, else one with the same host.
ordered_json entry_in(const ordered_json& in, const char* section,
                      std::string_view registry) {
  auto at = in.find(section);
  if (at == in.end() || !at->is_object())
    return {};
  auto key = server_key(registry);
  if (auto own = at->find(key); own != at->end())
    return *own;
  for (const auto& [name, value] : at->items())
    if (host_of(name) == host_of(key))
      return value;
  return {};
}

result<registry_user, config_errc> read_user(const ordered_json& in) {
  registry_user out{text_of(in, "username"), secret{text_of(in, "password")},
                    secret{text_of(in, "identitytoken")}};
  auto encoded = text_of(in, "auth");
  if (encoded.empty())
    return out;
  auto pair = base64_decoded(encoded);
  auto colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos)
    return wrong("an `auth` in it is not NAME:PASSWORD in base64");
  out.name = pair->substr(0, colon);
  // Old clients wrote a zero behind it.
  auto password = pair->substr(colon + 1);
  out.password = secret{password.substr(0, password.find('\0'))};
  return out;
}

} // namespace

std::string server_key(std::string_view registry) {
  if (registry == "docker.io" || registry == "index.docker.io")
    return "https://index.docker.io/v1/";
  return std::string{registry};
}

result<registry_entry, config_errc> find_entry(std::string_view text,
                                               std::string_view registry) {
  auto in = parsed(text);
  if (!in)
    return tl::unexpected{in.error()};
  registry_entry out;
  if (auto own = entry_in(*in, "credHelpers", registry); own.is_string())
    out.helper = own.get<std::string>();
  else
    out.helper = text_of(*in, "credsStore");
  auto user = read_user(entry_in(*in, "auths", registry));
  if (!user)
    return tl::unexpected{user.error()};
  out.user = std::move(*user);
  return out;
}

result<std::string, config_errc> with_entry(std::string_view text,
                                            std::string_view registry,
                                            const registry_user& user) {
  auto in = parsed(text);
  if (!in)
    return tl::unexpected{in.error()};
  auto& all = (*in)["auths"];
  if (!all.is_object() && !all.is_null())
    return wrong("its `auths` is no table");
  all[server_key(registry)]
    = {{"auth", base64_of(user.name + ":" + user.password.reveal())}};
  // What is not UTF-8 was not written by a client of Docker's.
  return in->dump(1, '\t', false, ordered_json::error_handler_t::replace)
         + "\n";
}

result<registry_user, config_errc> parse_helper_answer(std::string_view text) {
  auto in = ordered_json::parse(text, nullptr, false);
  if (!in.is_object())
    return wrong("its answer is no JSON object");
  registry_user out{text_of(in, "Username"), secret{text_of(in, "Secret")}, {}};
  if (out.name == token_user)
    out = {"", {}, out.password};
  return out;
}

std::string helper_request(std::string_view registry,
                           const registry_user& user) {
  return ordered_json{{"ServerURL", server_key(registry)},
                      {"Username", user.name},
                      {"Secret", user.password.reveal()}}
    .dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

} // namespace muster::fleeting
