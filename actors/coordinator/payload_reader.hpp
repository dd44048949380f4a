#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Reads values out of JSON that others wrote. What is missing or null is
/// empty; what has the wrong type is empty too, and the first such field is
/// named by `error`.
class payload_reader {
public:
  using json = nlohmann::json;

  const std::string& error() const {
    return error_;
  }

  /// Returns the value, or nothing if it is missing or null.
  const json* find(const json& in, const char* key) const;

  std::string text(const json& in, const char* key, std::string_view where);
  int64_t integer(const json& in, const char* key, std::string_view where);
  bool boolean(const json& in, const char* key, std::string_view where);
  std::vector<std::string> texts(const json& in, const char* key,
                                 std::string_view where);

  /// Returns an object; an empty one if it is missing.
  const json& object(const json& in, const char* key, std::string_view where);

  /// Returns an array of objects; an empty one if it is missing.
  const json& objects(const json& in, const char* key, std::string_view where);

private:
  void wrong(std::string_view where, std::string_view what,
             std::string_view expected, const json& found);

  std::string error_;
};

} // namespace muster
