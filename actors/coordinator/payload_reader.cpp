#include "actors/coordinator/payload_reader.hpp"

#include <cmath>

namespace muster {

namespace {

using json = nlohmann::json;

std::string joined(std::string_view where, std::string_view what) {
  std::string path{where};
  if (!path.empty())
    path += '.';
  path += what;
  return path;
}

std::string element(std::string_view what, size_t index) {
  return std::string{what} + "[" + std::to_string(index) + "]";
}

} // namespace

void payload_reader::wrong(std::string_view where, std::string_view what,
                           std::string_view expected, const json& found) {
  if (error_.empty())
    error_ = "field " + joined(where, what) + " is of type " + found.type_name()
             + ", not " + std::string{expected};
}

const json* payload_reader::find(const json& in, const char* key) const {
  if (!in.is_object())
    return nullptr;
  auto found = in.find(key);
  return found == in.end() || found->is_null() ? nullptr : &*found;
}

std::string payload_reader::text(const json& in, const char* key,
                                 std::string_view where) {
  const auto* found = find(in, key);
  if (found == nullptr)
    return {};
  if (const auto* value = found->get_ptr<const std::string*>())
    return *value;
  wrong(where, key, "string", *found);
  return {};
}

int64_t payload_reader::integer(const json& in, const char* key,
                                std::string_view where) {
  const auto* found = find(in, key);
  if (found == nullptr)
    return 0;
  if (found->is_number_unsigned()
      && found->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    return wrong(where, key, "a number of 64 bits", *found), 0;
  if (found->is_number_integer())
    return found->get<int64_t>();
  if (found->is_number_float()) {
    auto value = found->get<double>();
    if (std::nearbyint(value) == value && std::fabs(value) < 1e15)
      return static_cast<int64_t>(value);
  }
  wrong(where, key, "a whole number", *found);
  return 0;
}

bool payload_reader::boolean(const json& in, const char* key,
                             std::string_view where) {
  const auto* found = find(in, key);
  if (found == nullptr)
    return false;
  if (found->is_boolean())
    return found->get<bool>();
  wrong(where, key, "boolean", *found);
  return false;
}

std::vector<std::string> payload_reader::texts(const json& in, const char* key,
                                               std::string_view where) {
  const auto* found = find(in, key);
  if (found == nullptr)
    return {};
  if (!found->is_array()) {
    wrong(where, key, "array", *found);
    return {};
  }
  std::vector<std::string> values;
  values.reserve(found->size());
  for (size_t i = 0; i < found->size(); ++i) {
    if (const auto* value = (*found)[i].get_ptr<const std::string*>())
      values.push_back(*value);
    else
      wrong(where, element(key, i), "string", (*found)[i]);
  }
  return values;
}

const json& payload_reader::object(const json& in, const char* key,
                                   std::string_view where) {
  static const json none = json::object();
  const auto* found = find(in, key);
  if (found == nullptr)
    return none;
  if (found->is_object())
    return *found;
  wrong(where, key, "object", *found);
  return none;
}

const json& payload_reader::objects(const json& in, const char* key,
                                    std::string_view where) {
  static const json none = json::array();
  const auto* found = find(in, key);
  if (found == nullptr)
    return none;
  if (!found->is_array()) {
    wrong(where, key, "array", *found);
    return none;
  }
  for (size_t i = 0; i < found->size(); ++i) {
    if (!(*found)[i].is_object()) {
      wrong(where, element(key, i), "object", (*found)[i]);
      return none;
    }
  }
  return *found;
}

} // namespace muster
