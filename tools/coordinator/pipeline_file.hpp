#pragma once

#include "messages/result.hpp"
#include "tools/coordinator/pipeline/context.hpp"
#include "tools/coordinator/pipeline/notes.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::gitlab {

/// A job as a `.gitlab-ci.yml` describes it: defaults, `extends`, rules and
/// `parallel` applied, variables of the file and of the job together.
struct file_job {
  std::string name;
  std::string base; ///< in the file: without what `parallel` adds
  size_t stage = 0; ///< index in `pipeline_file::stages`
  yaml_mark at;
  bool has_needs = false;
  std::vector<size_t> needs;          ///< indices in `pipeline_file::jobs`
  std::vector<size_t> dependencies;   ///< of those it gets artifacts of
  std::vector<yaml_refused> refusals; ///< why it cannot run here
  nlohmann::json spec;                ///< the short form of `job_from_json`
};

struct pipeline_file {
  std::vector<std::string> stages; ///< with `.pre` first and `.post` last
  std::vector<file_job> jobs;      ///< in the order of the file, no hidden ones
  std::vector<std::string> left_out; ///< jobs that rules keep out
};

/// A pipeline file that was read, and what there is to say about it. The
/// pipeline is of use only if the notes passed.
struct read_pipeline {
  pipeline_file file;
  pipeline_notes notes;
};

/// Reads a `.gitlab-ci.yml` with the files that it includes. docs/try.md has
/// all keywords. One that is unknown is an error with its place; one that
/// changes what would run and is not supported here is an error of the jobs
/// that have it (`file_job::refusals`); one without effect is a warning.
read_pipeline parse_pipeline(const std::string& text,
                             const pipeline_context& context);

/// Keeps the named jobs, and unless `alone` those that they need or get
/// artifacts of, in turn. Also those run that wait to be started by hand, or
/// for a failure. Returns what is wrong with a name; empty if nothing is.
std::string select_jobs(pipeline_file& file,
                        const std::vector<std::string>& names, bool alone);

} // namespace muster::gitlab
