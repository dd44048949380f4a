#include "tools/coordinator/pipeline/links.hpp"

#include "tools/coordinator/pipeline/keywords.hpp"
#include "tools/coordinator/pipeline/parallel.hpp"
#include "tools/coordinator/pipeline/tree_edit.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace muster::gitlab {

namespace {

using kind = yaml_value::kind;

constexpr size_t needs_max = 500; ///< of one job, after parallel

[[noreturn]] void bad(yaml_mark at, std::string text, std::string hint = {}) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text),
                     std::move(hint)};
}

bool makes_artifacts(const file_job& job) {
  return job.spec.contains("artifacts") && !job.spec["artifacts"].empty();
}

class linker {
public:
  linker(pipeline_file& file, const std::vector<yaml_value>& bodies,
         pipeline_notes& notes)
    : file_(file),
      bodies_(bodies),
      notes_(notes) {
    for (size_t i = 0; i < file.jobs.size(); ++i) {
      names_[file.jobs[i].base].insert(i);
      names_[file.jobs[i].name].insert(i);
    }
  }

  void run() {
    for (size_t i = 0; i < file_.jobs.size(); ++i)
      try {
        read_needs(i);
        read_dependencies(i);
      } catch (const yaml_refused& problem) {
        notes_.refuse(problem);
      }
    if (notes_.passed())
      check_cycles();
  }

private:
  void read_needs(size_t index) {
    auto& job = file_.jobs[index];
    const auto* needs = bodies_[index].find("needs");
    if (needs == nullptr || needs->is == kind::null)
      return;
    job.has_needs = true;
    if (needs->is == kind::scalar)
      return add_need(job, *needs);
    if (needs->is != kind::list)
      bad(needs->at, "needs must be a list");
    for (const auto& x : needs->list)
      add_need(job, x);
    if (job.needs.size() > needs_max)
      bad(needs->at,
          fmt::format("{} needs more than {} jobs", job.name, needs_max));
  }

  void add_need(file_job& job, const yaml_value& x) {
    auto where = fmt::format("needs of job {}", job.base);
    if (x.is == kind::map)
      check_keywords("needs", x, where, notes_, &job.refusals);
    const auto* name = x.is == kind::map ? x.find("job") : &x;
    if (name == nullptr && !job.refusals.empty())
      return;
    if (name == nullptr || name->is != kind::scalar)
      bad(x.at, "a need is the name of a job, or a map with job");
    auto flag = [&](const char* key, bool usual) {
      const auto* part = x.is == kind::map ? x.find(key) : nullptr;
      return part == nullptr ? usual : part->text == "true";
    };
    for (auto other : needed(job, x, *name, flag("optional", false))) {
      if (file_.jobs[other].stage > job.stage)
        bad(name->at, fmt::format("{} needs {}, which is of a later stage",
                                  job.name, name->text));
      add(job.needs, other);
      if (flag("artifacts", true))
        add(job.dependencies, other);
    }
  }

  std::set<size_t> needed(const file_job& job, const yaml_value& x,
                          const yaml_value& name, bool optional) const {
    const auto* parallel = x.is == kind::map ? x.find("parallel") : nullptr;
    const auto* matrix
      = parallel == nullptr ? nullptr : parallel->find("matrix");
    std::set<size_t> out;
    if (matrix == nullptr) {
      out = jobs_named(name.text);
    } else {
      for (const auto& variables : matrix_of(*matrix))
        for (auto index : jobs_named(matrix_name(name.text, variables)))
          out.insert(index);
    }
    if (!out.empty() || optional)
      return out;
    bool kept_out
      = std::find(file_.left_out.begin(), file_.left_out.end(), name.text)
        != file_.left_out.end();
    bad(name.at,
        fmt::format("{} needs {}, which {}", job.name, name.text,
                    kept_out ? "its rules keep out of this pipeline"
                             : "is not there"),
        kept_out ? "with optional: true it may be missing" : "");
  }

  std::set<size_t> jobs_named(const std::string& name) const {
    auto found = names_.find(name);
    return found == names_.end() ? std::set<size_t>{} : found->second;
  }

  static void add(std::vector<size_t>& to, size_t index) {
    if (std::find(to.begin(), to.end(), index) == to.end())
      to.push_back(index);
  }

  /// Artifacts come from those named, else those needed, else all of earlier
  /// stages.
  void read_dependencies(size_t index) {
    auto& job = file_.jobs[index];
    const auto* x = bodies_[index].find("dependencies");
    if (x == nullptr || x->is == kind::null) {
      if (!job.has_needs)
        for (size_t i = 0; i < file_.jobs.size(); ++i)
          if (file_.jobs[i].stage < job.stage)
            job.dependencies.push_back(i);
    } else {
      auto needed = std::move(job.dependencies);
      job.dependencies.clear();
      for (const auto& [name, at] : texts(*x, "dependencies"))
        add_dependency(job, name, at);
    }
    std::erase_if(job.dependencies,
                  [&](size_t i) { return !makes_artifacts(file_.jobs[i]); });
  }

  void add_dependency(file_job& job, const std::string& name, yaml_mark at) {
    auto found = jobs_named(name);
    if (found.empty()
        && std::find(file_.left_out.begin(), file_.left_out.end(), name)
             == file_.left_out.end())
      bad(at,
          fmt::format("{} depends on {}, which is not there", job.name, name));
    for (auto other : found) {
      bool before = job.has_needs
                      ? std::find(job.needs.begin(), job.needs.end(), other)
                          != job.needs.end()
                      : file_.jobs[other].stage < job.stage;
      if (!before)
        bad(at,
            fmt::format("{} depends on {}, which does not come before it",
                        job.name, name),
            job.has_needs ? "what is in dependencies must be in needs, too"
                          : "it must be of an earlier stage");
      add(job.dependencies, other);
    }
  }

  /// Takes away jobs whose needs are all taken away, until none is left.
  void check_cycles() const {
    std::set<size_t> done;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < file_.jobs.size(); ++i) {
        const auto& needs = file_.jobs[i].needs;
        bool ready = std::all_of(needs.begin(), needs.end(),
                                 [&](size_t x) { return done.contains(x); });
        changed |= ready && done.insert(i).second;
      }
    }
    for (size_t i = 0; i < file_.jobs.size(); ++i)
      if (!done.contains(i))
        bad(file_.jobs[i].at, fmt::format("{} needs itself, by way of others",
                                          file_.jobs[i].name));
  }

  pipeline_file& file_;
  const std::vector<yaml_value>& bodies_;
  pipeline_notes& notes_;
  std::map<std::string, std::set<size_t>> names_;
};

} // namespace

void link_jobs(pipeline_file& file, const std::vector<yaml_value>& bodies,
               pipeline_notes& notes) {
  linker{file, bodies, notes}.run();
}

} // namespace muster::gitlab
