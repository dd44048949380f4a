#include "tools/muster/try/job_list.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

namespace muster {

namespace {

using row = std::array<std::string, 4>;

std::string remarks(const gitlab::pipeline_file& file,
                    const gitlab::file_job& job) {
  std::string out;
  auto add = [&](const std::string& text) {
    out += fmt::format("{}{}", out.empty() ? "" : "; ", text);
  };
  if (job.has_needs) {
    std::string names;
    for (auto index : job.needs)
      names += fmt::format("{}{}", names.empty() ? "" : ", ",
                           file.jobs[index].name);
    add(names.empty() ? "needs nothing" : "needs " + names);
  }
  auto allowed = job.spec.value("allow_failure", nlohmann::json{});
  if (allowed.is_object() || allowed == true)
    add("may fail");
  for (const auto& x : job.refusals)
    add(fmt::format("cannot run here (line {})", x.at.line));
  return out;
}

} // namespace

std::string job_list(const gitlab::pipeline_file& file) {
  std::vector<row> rows{{"stage", "job", "when", ""}};
  std::vector<size_t> order(file.jobs.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return file.jobs[a].stage < file.jobs[b].stage;
  });
  for (auto index : order) {
    const auto& job = file.jobs[index];
    rows.push_back({file.stages[job.stage], job.name,
                    job.spec.value("when", "on_success"), remarks(file, job)});
  }
  row::size_type last = 2;
  std::array<size_t, 3> widths{};
  for (const auto& x : rows)
    for (size_t i = 0; i <= last; ++i)
      widths[i] = std::max(widths[i], x[i].size());
  std::string out;
  for (const auto& x : rows) {
    auto line = fmt::format("{:<{}}  {:<{}}  {:<{}}  {}", x[0], widths[0], x[1],
                            widths[1], x[2], widths[2], x[3]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  for (const auto& name : file.left_out)
    out += fmt::format("kept out by its rules: {}\n", name);
  return out;
}

} // namespace muster
