#include "tools/coordinator/pipeline/parallel.hpp"

#include <charconv>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using kind = yaml_value::kind;
using assignments = std::vector<std::pair<std::string, std::string>>;

constexpr int jobs_max = 200; ///< as in GitLab

[[noreturn]] void bad(yaml_mark at, std::string text) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text), {}};
}

/// Every combination of one entry of a matrix; the last variable changes first.
void add_combinations(const yaml_value& x, std::vector<assignments>& to) {
  if (x.is != kind::map || x.map.empty())
    bad(x.at, "an entry of a matrix is a map of variables");
  std::vector<assignments> all{{}};
  for (const auto& [key, at, value] : x.map) {
    std::vector<std::string> values;
    if (value.is == kind::scalar)
      values.push_back(value.text);
    for (const auto& entry : value.list)
      if (entry.is == kind::scalar)
        values.push_back(entry.text);
      else
        bad(entry.at,
            fmt::format("values of {} in a matrix must be texts", key));
    if (values.empty())
      bad(at,
          fmt::format("{} in a matrix must be text or a list of texts", key));
    std::vector<assignments> more;
    for (const auto& one : all)
      for (const auto& text : values) {
        more.push_back(one);
        more.back().emplace_back(key, text);
        if (more.size() > jobs_max)
          bad(x.at, fmt::format("a matrix of more than {} jobs", jobs_max));
      }
    all = std::move(more);
  }
  to.insert(to.end(), all.begin(), all.end());
}

} // namespace

std::vector<assignments> matrix_of(const yaml_value& matrix) {
  if (matrix.is != kind::list || matrix.list.empty())
    bad(matrix.at, "a matrix is a list of maps of variables");
  std::vector<assignments> out;
  for (const auto& entry : matrix.list)
    add_combinations(entry, out);
  if (out.size() > jobs_max)
    bad(matrix.at, fmt::format("a matrix of more than {} jobs", jobs_max));
  return out;
}

std::string matrix_name(const std::string& name, const assignments& variables) {
  std::string values;
  for (const auto& [key, value] : variables)
    values += fmt::format("{}{}", values.empty() ? "" : ", ", value);
  return fmt::format("{}: [{}]", name, values);
}

std::vector<parallel_job> parallel_jobs(const std::string& name,
                                        const yaml_value* parallel) {
  if (parallel == nullptr || parallel->is == kind::null)
    return {{name, {}, 0, 1}};
  std::vector<parallel_job> out;
  if (parallel->is == kind::map) {
    const auto* matrix = parallel->find("matrix");
    if (matrix == nullptr)
      bad(parallel->at, "parallel is a number, or a map with matrix");
    for (auto& variables : matrix_of(*matrix)) {
      auto full = matrix_name(name, variables);
      out.push_back({full, std::move(variables), 0, 1});
    }
  } else {
    int count = 0;
    const auto& text = parallel->text;
    const auto* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc{} || stop != end || count < 1 || count > jobs_max)
      bad(parallel->at,
          fmt::format("parallel must be a number from 1 to {}", jobs_max));
    for (int i = 1; i <= count; ++i)
      out.push_back({fmt::format("{} {}/{}", name, i, count), {}, 0, 1});
  }
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].index = static_cast<int>(i) + 1;
    out[i].total = static_cast<int>(out.size());
  }
  return out;
}

} // namespace muster::gitlab
