#pragma once

#include "tools/coordinator/pipeline_file.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <string>

namespace muster::test {

/// Files of a project that are nowhere but here.
class made_files final : public gitlab::pipeline_files {
public:
  std::map<std::string, std::string> texts;
  std::optional<std::vector<std::string>> changed;
  std::string compared_to; ///< the last `ref` that was asked for

  std::optional<std::string> read(const std::string& path) override {
    auto found = texts.find(path);
    return found == texts.end() ? std::nullopt : std::optional{found->second};
  }

  const std::vector<std::string>& paths() override {
    paths_.clear();
    for (const auto& [path, text] : texts)
      paths_.push_back(path);
    return paths_;
  }

  std::optional<std::vector<std::string>>
  changes(const std::string& ref) override {
    compared_to = ref;
    return changed;
  }

  std::string digest(const std::vector<std::string>& paths) override {
    std::string out;
    for (const auto& path : paths)
      out += texts.contains(path) ? "<" + path + ">" : "";
    return out;
  }

private:
  std::vector<std::string> paths_;
};

/// A push to a branch `main`, which is the default one.
inline gitlab::pipeline_context push_to_main() {
  gitlab::pipeline_context out;
  out.file = "ci.yml";
  out.predefined = {{"CI_COMMIT_BRANCH", "main"},
                    {"CI_COMMIT_REF_NAME", "main"},
                    {"CI_DEFAULT_BRANCH", "main"},
                    {"CI_PIPELINE_SOURCE", "push"}};
  return out;
}

/// All that was said, a line each.
inline std::string said(const gitlab::read_pipeline& x) {
  std::string out;
  for (const auto& what : x.notes.diagnostics())
    out += (what.level == severity::error ? "error " : "warning ")
           + headline(what) + (what.hint.empty() ? "" : "; " + what.hint)
           + "\n";
  return out;
}

inline gitlab::pipeline_file parsed(const std::string& text,
                                    const gitlab::pipeline_context& context
                                    = push_to_main()) {
  auto read = gitlab::parse_pipeline(text, context);
  INFO(text);
  if (!read.notes.passed())
    FAIL(said(read));
  return read.file;
}

/// What was said of a file that does not pass.
inline std::string refused(const std::string& text,
                           const gitlab::pipeline_context& context
                           = push_to_main()) {
  auto read = gitlab::parse_pipeline(text, context);
  INFO(text);
  CHECK_FALSE(read.notes.passed());
  return said(read);
}

inline const gitlab::file_job& job_named(const gitlab::pipeline_file& file,
                                         const std::string& name) {
  auto at = std::find_if(file.jobs.begin(), file.jobs.end(),
                         [&](const auto& x) { return x.name == name; });
  if (at == file.jobs.end())
    FAIL("there is no job " << name);
  return *at;
}

inline bool has_job(const gitlab::pipeline_file& file,
                    const std::string& name) {
  return std::any_of(file.jobs.begin(), file.jobs.end(),
                     [&](const auto& x) { return x.name == name; });
}

} // namespace muster::test
