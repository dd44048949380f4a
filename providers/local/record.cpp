#include "providers/local/record.hpp"

#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace muster::local {

namespace {

using nlohmann::json;

constexpr int64_t format_version = 1;

template <class T>
bool read(const json& tree, const char* key, T& to) {
  auto found = tree.find(key);
  if (found == tree.end())
    return false;
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string())
      return false;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!found->is_boolean())
      return false;
  } else {
    if (!found->is_number_integer())
      return false;
    auto number = found->template get<int64_t>();
    if (number < 0
        || static_cast<uint64_t>(number)
             > static_cast<uint64_t>(std::numeric_limits<T>::max()))
      return false;
  }
  to = found->template get<T>();
  return true;
}

} // namespace

std::string to_json(const instance_record& what) {
  json tree = {
    {"version", format_version},
    {"id", what.id},
    {"pid", what.process.pid},
    {"start_ticks", what.process.start_ticks},
    {"boot_id", what.process.boot_id},
    {"port", what.port},
    {"isolated", what.isolated},
    {"created_at", what.created_at},
    {"created_ms", what.created_ms},
  };
  return tree.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

result<instance_record, provider_errc> parse_record(std::string_view text) {
  auto tree = json::parse(text, nullptr, false);
  int64_t version = 0;
  if (!tree.is_object() || !read(tree, "version", version))
    return fail(provider_errc::call_failed,
                "instance.json is damaged: not an object with a version");
  if (version > format_version)
    return fail(provider_errc::bad_config,
                fmt::format("instance.json has version {}, this muster knows "
                            "{}: use the newer muster, or end its instances",
                            version, format_version));
  instance_record out;
  auto whole = read(tree, "id", out.id) && read(tree, "pid", out.process.pid)
               && read(tree, "start_ticks", out.process.start_ticks)
               && read(tree, "boot_id", out.process.boot_id)
               && read(tree, "port", out.port)
               && read(tree, "isolated", out.isolated)
               && read(tree, "created_at", out.created_at)
               && read(tree, "created_ms", out.created_ms);
  if (!whole)
    return fail(provider_errc::call_failed,
                "instance.json is damaged: a field is missing or wrong");
  return out;
}

} // namespace muster::local
