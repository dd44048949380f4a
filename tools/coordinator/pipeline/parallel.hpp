#pragma once

#include "tools/coordinator/yaml_tree.hpp"

#include <string>
#include <utility>
#include <vector>

namespace muster::gitlab {

/// One of the jobs that `parallel` makes of one.
struct parallel_job {
  std::string name;
  std::vector<std::pair<std::string, std::string>> variables; ///< of a matrix
  int index = 0; ///< from 1; 0: the job is alone
  int total = 1;
};

/// Jobs of `parallel: N` (`name 1/3`) and `parallel: matrix:` (`name: [a, b]`),
/// or the job alone for null. Throws `yaml_refused`.
std::vector<parallel_job> parallel_jobs(const std::string& name,
                                        const yaml_value* parallel);

/// The variables of each job of a matrix. Throws `yaml_refused`.
std::vector<std::vector<std::pair<std::string, std::string>>>
matrix_of(const yaml_value& matrix);

/// `name: [a, b]`.
std::string
matrix_name(const std::string& name,
            const std::vector<std::pair<std::string, std::string>>& variables);

} // namespace muster::gitlab
