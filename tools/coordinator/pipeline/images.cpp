#include "tools/coordinator/pipeline/images.hpp"

#include "tools/coordinator/pipeline/job_body.hpp"
#include "tools/coordinator/pipeline/keywords.hpp"
#include "tools/coordinator/pipeline/tree_edit.hpp"

#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;
using kind = yaml_value::kind;

constexpr size_t user_max = 255; ///< as in GitLab [bytes]

[[noreturn]] void bad(yaml_mark at, std::string text, std::string hint = {}) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text),
                     std::move(hint)};
}

/// Text that is not empty.
const std::string& word_of(const yaml_value& x, const std::string& what) {
  if (x.is != kind::scalar || x.text.empty())
    bad(x.at, fmt::format("{} must be text", what));
  return x.text;
}

/// The words of a command: none of them is a list, and one alone is none.
json command_of(const yaml_value& x, const std::string& what) {
  if (x.is == kind::null)
    return json::array();
  if (x.is != kind::list)
    bad(x.at, fmt::format("{} must be a list of texts", what),
        "write [\"sh\", \"-c\", \"...\"], or [\"\"] for none");
  auto out = json::array();
  for (const auto& word : x.list) {
    if (word.is != kind::scalar)
      bad(word.at, fmt::format("{} must be a list of texts", what));
    out.push_back(word.text);
  }
  return out;
}

json policies_of(const yaml_value& x, const std::string& what) {
  auto read = [&what](const yaml_value& entry) {
    return read_word(entry, what, {"always", "if-not-present", "never"});
  };
  if (x.is != kind::list)
    return json::array({read(x)});
  if (x.list.empty())
    bad(x.at, fmt::format("{} is empty", what));
  auto out = json::array();
  for (const auto& entry : x.list)
    out.push_back(read(entry));
  return out;
}

json docker_of(const yaml_value& x, const std::string& scope,
               const std::string& where, pipeline_notes& notes) {
  auto what = fmt::format("{}:docker", scope);
  if (x.is != kind::map)
    bad(x.at, fmt::format("{} must be a map", what));
  check_keywords(what, x, fmt::format("docker of {}", where), notes);
  json out = json::object();
  for (const auto& [key, at, value] : x.map)
    if (key == "platform" || key == "user") {
      out[key] = word_of(value, fmt::format("{}:{}", what, key));
      if (key == "user" && value.text.size() > user_max)
        bad(value.at,
            fmt::format("{}:user has more than {} bytes", what, user_max));
    }
  return out;
}

/// An image of scope `image`, or one of the scope `services`.
json image_in(const yaml_value& x, const std::string& scope,
              const std::string& where, pipeline_notes& notes) {
  if (x.is == kind::scalar && !x.text.empty())
    return x.text;
  if (x.is != kind::map)
    bad(x.at, fmt::format("{} must be the name of an image, or a map with name",
                          where));
  check_keywords(scope, x, where, notes);
  json out = json::object();
  for (const auto& [key, at, value] : x.map) {
    auto what = fmt::format("{}:{}", scope, key);
    if (key == "name" || key == "alias")
      out[key] = word_of(value, what);
    else if (key == "entrypoint" || key == "command")
      out[key] = command_of(value, what);
    else if (key == "docker")
      out[key] = docker_of(value, scope, where, notes);
    else if (key == "pull_policy")
      out[key] = policies_of(value, what);
    else if (key == "variables")
      out[key] = read_variables(&value, where, notes);
  }
  if (!out.contains("name"))
    bad(x.at, fmt::format("{} has no name", where));
  return out;
}

} // namespace

json read_image(const yaml_value& x, const std::string& where,
                pipeline_notes& notes) {
  return image_in(x, "image", where, notes);
}

json read_services(const yaml_value& x, const std::string& where,
                   pipeline_notes& notes) {
  if (x.is != kind::list)
    bad(x.at, fmt::format("{} must be a list", where), "write - NAME");
  auto out = json::array();
  for (const auto& entry : x.list)
    out.push_back(
      image_in(entry, "services", fmt::format("an entry of {}", where), notes));
  return out;
}

} // namespace muster::gitlab
