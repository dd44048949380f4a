#include "config/tokens.hpp"

#include "config/source.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace muster {

namespace {

/// What GitLab Runner writes for "never".
constexpr unix_time no_time{-62'135'596'800}; // 0001-01-01T00:00:00Z

std::vector<size_t> holders(const config_text& in, const std::string& url,
                            const secret& token) {
  std::vector<size_t> found;
  for (size_t i = 0; i < in.runners(); ++i) {
    auto x = in.facts(i, environment_variable);
    if (x.url == url && x.token == token)
      found.push_back(i);
  }
  return found;
}

result<void, config_errc> check_holders(const config_text& in,
                                        const std::vector<size_t>& found,
                                        const std::string& path) {
  if (found.empty())
    return fail(config_errc::not_valid,
                path + " has no runner with this url and token any more");
  for (auto i : found)
    if (!in.facts(i, environment_variable).token_is_literal)
      return fail(config_errc::not_valid,
                  path
                    + " takes the token from the environment: it must be "
                      "changed where that is set");
  return {};
}

result<void, config_errc> put(config_text& in, size_t runner,
                              const fresh_token& fresh) {
  if (auto set = in.set(runner, {"token"}, fresh.token); !set)
    return set;
  if (auto set
      = in.set(runner, {"token_obtained_at"}, fresh.obtained_at, "token");
      !set)
    return set;
  return in.set(runner, {"token_expires_at"},
                fresh.expires_at.value_or(no_time), "token_obtained_at");
}

} // namespace

result<void, config_errc> write_token(const std::string& config_path,
                                      const std::string& url,
                                      const secret& old_token,
                                      const fresh_token& fresh,
                                      const rewrite_options& options) {
  return rewrite_config(
    config_path,
    [&](config_text& x) -> result<void, config_errc> {
      auto found = holders(x, url, old_token);
      if (auto fine = check_holders(x, found, config_path); !fine)
        return fine;
      for (auto i : found)
        if (auto done = put(x, i, fresh); !done)
          return done;
      return {};
    },
    options);
}

result<void, config_errc> can_write_token(const std::string& config_path,
                                          const std::string& url,
                                          const secret& old_token) {
  // Everything is done but the last step, with a token of the same length.
  rewrite_options options;
  options.is_trial = true;
  return write_token(config_path, url, old_token,
                     {old_token, no_time, std::nullopt}, options);
}

kept_tokens::kept_tokens(const std::string& state_dir)
  : folder_(state_dir + "/tokens") {
}

std::string kept_tokens::file_of(const std::string& url,
                                 const secret& old_token) const {
  auto text = url + "\n" + old_token.reveal();
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           digest.data());
  auto name = folder_ + "/";
  constexpr size_t shown = 16;
  for (size_t i = 0; i < shown; ++i)
    name += fmt::format("{:02x}", digest[i]);
  return name;
}

result<std::string, config_errc>
kept_tokens::keep(const std::string& url, const secret& old_token,
                  const fresh_token& fresh) const {
  auto unwritable = [](const std::string& path) {
    return fail(config_errc::not_writable,
                path + " cannot be written: " + std::strerror(errno));
  };
  std::error_code ignored;
  std::filesystem::create_directories(
    std::filesystem::path{folder_}.parent_path(), ignored);
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
    return unwritable(folder_);
  nlohmann::json what{{"version", 1},
                      {"token", fresh.token.reveal()},
                      {"obtained_at", fresh.obtained_at.seconds}};
  if (fresh.expires_at)
    what["expires_at"] = fresh.expires_at->seconds;
  auto text = what.dump() + "\n";
  auto path = file_of(url, old_token);
  auto beside = path + ".new";
  auto file
    = ::open(beside.c_str(),
             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0)
    return unwritable(path);
  auto is_written = ::write(file, text.data(), text.size())
                      == static_cast<ssize_t>(text.size())
                    && ::fsync(file) == 0;
  ::close(file);
  if (!is_written || ::rename(beside.c_str(), path.c_str()) != 0)
    return unwritable(path);
  return path;
}

std::optional<fresh_token> kept_tokens::find(const std::string& url,
                                             const secret& old_token) const {
  auto text = read_source(file_of(url, old_token));
  if (!text)
    return std::nullopt;
  auto x = nlohmann::json::parse(*text, nullptr, false);
  if (!x.is_object() || !x.contains("token") || !x["token"].is_string()
      || x["token"].get_ref<const std::string&>().empty())
    return std::nullopt;
  auto time = [&x](const char* key) -> std::optional<unix_time> {
    auto found = x.find(key);
    if (found == x.end() || !found->is_number_integer())
      return std::nullopt;
    return unix_time{found->get<int64_t>()};
  };
  return fresh_token{secret{x["token"].get<std::string>()},
                     time("obtained_at").value_or(unix_time{}),
                     time("expires_at")};
}

void kept_tokens::drop(const std::string& url, const secret& old_token) const {
  ::unlink(file_of(url, old_token).c_str());
}

} // namespace muster
