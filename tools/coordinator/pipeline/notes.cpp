#include "tools/coordinator/pipeline/notes.hpp"

#include <fmt/format.h>

namespace muster::gitlab {

namespace {

constexpr size_t errors_max = 50;

} // namespace

int pipeline_notes::add_source(std::string name, std::string text) {
  sources_.push_back({std::move(name), std::move(text)});
  return static_cast<int>(sources_.size()) - 1;
}

const std::string& pipeline_notes::name_of(int file) const {
  return sources_.at(static_cast<size_t>(file)).name;
}

diagnostic pipeline_notes::make(severity level, yaml_mark at, std::string text,
                                std::string hint) const {
  diagnostic out;
  out.level = level;
  out.path = name_of(at.file);
  out.line = static_cast<size_t>(at.line);
  out.column = static_cast<size_t>(at.column);
  out.message = one_line(text);
  out.hint = std::move(hint);
  return out;
}

void pipeline_notes::refuse(const yaml_refused& what) {
  if (!first_)
    first_ = what.code;
  if (errors_.size() < errors_max)
    errors_.push_back(make(severity::error, what.at, what.text, what.hint));
}

void pipeline_notes::warn(yaml_mark at, const std::string& text) {
  auto [found, is_new] = warned_.try_emplace(text, warnings_.size());
  if (is_new) {
    warnings_.push_back(make(severity::warning, at, text, {}));
    times_.push_back(1);
  } else {
    ++times_[found->second];
  }
}

std::vector<diagnostic> pipeline_notes::diagnostics() const {
  auto out = errors_;
  for (size_t i = 0; i < warnings_.size(); ++i) {
    out.push_back(warnings_[i]);
    if (times_[i] > 1)
      out.back().message += fmt::format(" (here and {} more)", times_[i] - 1);
  }
  return out;
}

std::string pipeline_notes::shown(const diagnostic& what) const {
  for (const auto& x : sources_)
    if (x.name == what.path)
      return format_diagnostic(what, x.text);
  return headline(what);
}

} // namespace muster::gitlab
