#include "config/diagnostic.hpp"
#include "tools/coordinator/pipeline_file.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace muster::gitlab {

namespace {

std::string unknown(const pipeline_file& file, const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& x : file.jobs) {
    if (x.base == name || x.name == name)
      return {};
    names.push_back(x.name);
    names.push_back(x.base);
  }
  if (std::find(file.left_out.begin(), file.left_out.end(), name)
      != file.left_out.end())
    return fmt::format("rules keep job {} out of this pipeline; --variable "
                       "KEY=VALUE changes what they see",
                       in_quotes(name));
  auto near = nearest(name, names);
  return fmt::format("there is no job {}{}", in_quotes(name),
                     near ? fmt::format(", did you mean \"{}\"?", *near)
                          : "; --list shows all of them");
}

/// Leaves only these jobs, and renumbers what refers to them.
void keep(pipeline_file& file, const std::set<size_t>& wanted) {
  std::map<size_t, size_t> places;
  std::vector<file_job> jobs;
  for (auto index : wanted) {
    places[index] = jobs.size();
    jobs.push_back(std::move(file.jobs[index]));
  }
  auto renumber = [&](std::vector<size_t>& list) {
    std::vector<size_t> out;
    for (auto index : list)
      if (auto found = places.find(index); found != places.end())
        out.push_back(found->second);
    list = std::move(out);
  };
  for (auto& job : jobs) {
    renumber(job.needs);
    renumber(job.dependencies);
  }
  file.jobs = std::move(jobs);
}

} // namespace

std::string select_jobs(pipeline_file& file,
                        const std::vector<std::string>& names, bool alone) {
  if (names.empty())
    return {};
  std::set<size_t> wanted;
  std::vector<size_t> next;
  for (const auto& name : names) {
    if (auto problem = unknown(file, name); !problem.empty())
      return problem;
    for (size_t i = 0; i < file.jobs.size(); ++i) {
      const auto& job = file.jobs[i];
      if (job.name != name && job.base != name)
        continue;
      if (wanted.insert(i).second)
        next.push_back(i);
    }
  }
  while (!alone && !next.empty()) {
    auto index = next.back();
    next.pop_back();
    for (const auto* list :
         {&file.jobs[index].needs, &file.jobs[index].dependencies})
      for (auto other : *list)
        if (wanted.insert(other).second)
          next.push_back(other);
  }
  for (auto index : wanted)
    file.jobs[index].spec["when"] = "on_success"; // it is asked for
  keep(file, wanted);
  return {};
}

} // namespace muster::gitlab
