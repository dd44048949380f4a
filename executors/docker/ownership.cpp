#include "executors/docker/ownership.hpp"

#include "executors/docker/run_script.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace muster::docker {

namespace {

constexpr size_t file_bytes_max = 1u << 20;

/// Fields of a line of /etc/passwd or /etc/group.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    auto colon = line.find(':');
    out.push_back(line.substr(0, colon));
    if (colon == std::string_view::npos)
      return out;
    line.remove_prefix(colon + 1);
  }
}

/// The line whose field `at` is `value`.
std::vector<std::string_view> find_line(std::string_view text, size_t at,
                                        std::string_view value) {
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    auto fields = fields_of(text.substr(0, end));
    if (fields.size() > at && fields[at] == value)
      return fields;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= '0' && c <= '9';
  });
}

/// A file of the container; empty if it has none.
engine_result<std::string> read_from(const workplace& with,
                                     const std::string& id, const char* path) {
  call what{"GET", "/containers/" + id + "/archive?path=" + path};
  auto tar = with.at.ask_bytes(what, file_bytes_max);
  if (tar)
    return first_file(*tar).value_or("");
  if (tar.error().code == engine_errc::not_found)
    return std::string{};
  return tl::unexpected{tar.error()};
}

} // namespace

std::optional<std::string> first_file(std::string_view tar) {
  constexpr size_t block = 512;
  constexpr size_t size_at = 124;
  constexpr size_t size_digits = 11;
  constexpr size_t type_at = 156;
  while (tar.size() > block) {
    size_t size = 0;
    const auto* digits = tar.data() + size_at;
    if (std::from_chars(digits, digits + size_digits, size, 8).ec
        != std::errc{})
      return std::nullopt;
    auto type = tar[type_at];
    tar.remove_prefix(block);
    if (type == '0' || type == '\0')
      return size <= tar.size()
               ? std::optional{std::string{tar.substr(0, size)}}
               : std::nullopt;
    tar.remove_prefix(std::min((size + block - 1) / block * block, tar.size()));
  }
  return std::nullopt;
}

std::optional<std::string> owner_of(const std::string& user,
                                    std::string_view passwd,
                                    std::string_view group) {
  auto colon = user.find(':');
  auto name = user.substr(0, colon);
  auto wanted_group
    = colon == std::string::npos ? std::string{} : user.substr(colon + 1);
  auto entry = find_line(passwd, is_number(name) ? 2 : 0, name);
  std::string uid = is_number(name)    ? name
                    : entry.size() > 2 ? std::string{entry[2]}
                                       : std::string{};
  if (!is_number(uid) || uid.find_first_not_of('0') == std::string::npos)
    return std::nullopt;
  std::string gid = entry.size() > 3 ? std::string{entry[3]} : "0";
  if (is_number(wanted_group)) {
    gid = wanted_group;
  } else if (!wanted_group.empty()) {
    auto line = find_line(group, 0, wanted_group);
    gid = line.size() > 2 ? std::string{line[2]} : gid;
  }
  return uid + ':' + (is_number(gid) ? gid : "0");
}

job_result<void> give_to_user(const workplace& with) {
  const auto& folders = with.containers().given_to_user;
  auto state = with.state.get();
  if (folders.empty() || state.given_to_user || state.build.id.empty())
    return {};
  constexpr auto doing = "finding out the user of the job's image";
  auto x = with.at.ask({"GET", "/containers/" + state.build.id + "/json"});
  if (!x)
    return tl::unexpected{job_failure(x.error(), doing)};
  auto config = x->is_object() ? x->value("Config", json{}) : json{};
  auto named = config.is_object() ? config.value("User", json{}) : json{};
  auto user = named.is_string() ? named.get<std::string>() : std::string{};
  if (user.empty())
    return {};
  auto passwd = read_from(with, state.build.id, "/etc/passwd");
  auto group = passwd && user.find(':') != std::string::npos
                 ? read_from(with, state.build.id, "/etc/group")
                 : engine_result<std::string>{""};
  if (!passwd || !group)
    return tl::unexpected{
      job_failure(passwd ? group.error() : passwd.error(), doing)};
  if (auto owner = owner_of(user, *passwd, *group)) {
    json command{"sh", "-c",
                 "for d; do [ ! -e \"$d\" ] || chown -RP -- \"$0\" \"$d\" || "
                 "exit 1; done",
                 *owner};
    for (const auto& folder : folders)
      command.push_back(folder);
    auto ended = run_command(with, command, {});
    if (!ended)
      return tl::unexpected{ended.error()};
    if (ended->exit_code != 0)
      return fail(plan_outcome::broken,
                  "giving the job's files to " + *owner + ": " + ended->output);
  }
  with.state.change([](job_state& s) { s.given_to_user = true; });
  return {};
}

} // namespace muster::docker
