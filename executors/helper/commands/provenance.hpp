#pragma once

#include "executors/helper/archive/writer.hpp"

#include <set>
#include <string>
#include <vector>

namespace muster::helper {

/// How artifacts came about.
struct provenance_facts {
  bool wanted = false;
  std::string runner_id;
  std::string repository;
  std::string commit;
  std::string job_name;
  std::string executor;
  std::string runner_name;
  std::vector<std::string> parameters; ///< names of the job's variables
  std::string started_at;              ///< RFC 3339
  std::string ended_at;
  std::string schema; ///< `v1`, the only one; empty: the same
  int64_t job = 0;
};

/// What the statement is about.
struct provenance_subject {
  std::string path;
  std::string sha256; ///< hexadecimal
};

/// Returns an in-toto statement (0.1) with a SLSA provenance (1.0) as JSON.
std::string statement_of(const provenance_facts& facts,
                         const std::vector<provenance_subject>& subjects);

/// Adds `<name>-metadata.json` to an archive, with the checksums of all its
/// regular files. Errors: `failed`.
outcome add_provenance(const provenance_facts& facts,
                       const std::set<std::string>& files,
                       const std::string& name, archive_writer& to);

} // namespace muster::helper
