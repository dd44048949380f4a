#include "actors/journal/recipe.hpp"

#include <nlohmann/json.hpp>

namespace muster {

namespace {

using nlohmann::json;

std::string bytes_of(const json& x) {
  std::string out;
  json::to_cbor(x, nlohmann::detail::output_adapter<char>(out));
  return out;
}

json secrets(const std::vector<secret>& values) {
  auto out = json::array();
  for (const auto& x : values)
    out.push_back(x.reveal());
  return out;
}

json stage(const stage_text& x) {
  return {{"name", x.name},
          {"heading", x.heading},
          {"phase", static_cast<int>(x.phase)},
          {"attempts_max", x.attempts_max},
          {"failure_counts", x.failure_counts},
          {"before", x.before},
          {"in_container", x.in_container}};
}

stage_text stage_of(const json& x) {
  stage_text out;
  out.name = x.value("name", out.name);
  out.heading = x.value("heading", out.heading);
  out.phase
    = static_cast<stage_phase>(x.value("phase", static_cast<int>(out.phase)));
  out.attempts_max = x.value("attempts_max", out.attempts_max);
  out.failure_counts = x.value("failure_counts", out.failure_counts);
  out.before = x.value("before", out.before);
  out.in_container = x.value("in_container", out.in_container);
  return out;
}

/// Parses, and reads with `read`; what has the wrong form is nothing.
template <class Read>
auto read_cbor(std::string_view bytes, Read read)
  -> std::optional<decltype(read(json{}))> {
  try {
    return read(json::from_cbor(bytes.begin(), bytes.end()));
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

log_recipe recipe_of(const json& x) {
  log_recipe out;
  out.base_us = x.at("base_us").get<int64_t>();
  out.socket_path = x.value("socket_path", out.socket_path);
  out.project = x.value("project", out.project);
  out.timeout_ms = x.value("timeout_ms", out.timeout_ms);
  out.prepare_timeout_ms
    = x.value("prepare_timeout_ms", out.prepare_timeout_ms);
  out.get_sources_timeout_ms
    = x.value("get_sources_timeout_ms", out.get_sources_timeout_ms);
  out.failure_reasons = x.value("failure_reasons", out.failure_reasons);
  out.debug_trace = x.value("debug_trace", out.debug_trace);
  out.sections = x.value("sections", out.sections);
  for (const auto& one : x.at("stages"))
    out.stages.push_back(stage_of(one));
  for (const auto& one : x.at("masked")) // never a log without its masks
    out.masked.emplace_back(one.get<std::string>());
  out.token_prefixes = x.value("token_prefixes", out.token_prefixes);
  out.mask_all_default_tokens
    = x.value("mask_all_default_tokens", out.mask_all_default_tokens);
  out.timestamps = x.value("timestamps", out.timestamps);
  out.limit_bytes = x.at("limit_bytes").get<int64_t>();
  return out;
}

std::vector<manager_line> lines_of(const json& x) {
  std::vector<manager_line> out;
  for (const auto& one : x)
    out.push_back({one.at(0).get<uint8_t>(), one.at(1).get<int64_t>(),
                   secret{one.at(2).get<std::string>()}});
  return out;
}

} // namespace

std::string encode(const log_recipe& x) {
  auto stages = json::array();
  for (const auto& one : x.stages)
    stages.push_back(stage(one));
  return bytes_of({{"base_us", x.base_us},
                   {"socket_path", x.socket_path},
                   {"project", x.project},
                   {"timeout_ms", x.timeout_ms},
                   {"prepare_timeout_ms", x.prepare_timeout_ms},
                   {"get_sources_timeout_ms", x.get_sources_timeout_ms},
                   {"failure_reasons", x.failure_reasons},
                   {"debug_trace", x.debug_trace},
                   {"sections", x.sections},
                   {"stages", std::move(stages)},
                   {"masked", secrets(x.masked)},
                   {"token_prefixes", x.token_prefixes},
                   {"mask_all_default_tokens", x.mask_all_default_tokens},
                   {"timestamps", x.timestamps},
                   {"limit_bytes", x.limit_bytes}});
}

std::string encode(const std::vector<manager_line>& x) {
  auto out = json::array();
  for (const auto& one : x)
    out.push_back(json::array({one.source, one.unix_us, one.text.reveal()}));
  return bytes_of(out);
}

std::optional<log_recipe> decode_recipe(std::string_view bytes) {
  return read_cbor(bytes, recipe_of);
}

std::optional<std::vector<manager_line>> decode_lines(std::string_view bytes) {
  return read_cbor(bytes, lines_of);
}

} // namespace muster
