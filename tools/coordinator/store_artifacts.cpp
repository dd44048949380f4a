#include "tools/coordinator/store.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

const artifact* of_type(const std::vector<artifact>& list,
                        std::string_view type) {
  auto at = std::find_if(list.begin(), list.end(),
                         [type](const artifact& x) { return x.type == type; });
  return at == list.end() ? nullptr : &*at;
}

bool same_bytes(const artifact& a, const artifact& b) {
  return a.file->size() == b.file->size() && a.file->crc() == b.file->crc();
}

} // namespace

std::optional<job_answer> store::refuse_upload(int64_t id,
                                               const std::string& token) {
  std::lock_guard guard{mutex_};
  return refusal(find(id), id, token, "an upload");
}

job_answer store::add_artifact(int64_t id, const std::string& token,
                               artifact what) {
  std::lock_guard guard{mutex_};
  auto* x = find(id);
  if (auto refused = refusal(x, id, token, "an upload")) // it took a while
    return *refused;
  auto status = std::string{to_string(x->view.state)};
  if (const auto* old = of_type(x->view.artifacts, what.type)) {
    if (!x->upload_excused)
      violations_.add("second-artifact", id,
                      fmt::format("a second artifact of type {}", what.type));
    if (same_bytes(*old, what)) // as GitLab does: it was sent again
      return {201, status, 0, {}};
    return {400, status, 0,
            "400 Bad request - another artifact of the same type already "
            "exists"};
  }
  if (what.file->size() > options_.artifacts_size_max - artifacts_kept_)
    return {413, status, 0, "413 all artifacts together are too large"};
  artifacts_kept_ += what.file->size();
  what.at_us = now_us();
  x->view.artifacts.push_back(std::move(what));
  changed();
  return {201, status, 0, {}};
}

artifact_reply store::archive_of(int64_t id, const std::string& token) {
  std::lock_guard guard{mutex_};
  const auto* x = find(id);
  if (x == nullptr) {
    violations_.add("unknown-job", id,
                    "a download from a job that is not "
                    "there");
    return {404, {}};
  }
  if (token != x->view.token) {
    violations_.add("job-token", id,
                    "a download without the token of the job that it is of");
    return {403, {}};
  }
  const auto* found = of_type(x->view.artifacts, "archive");
  return found == nullptr ? artifact_reply{404, {}}
                          : artifact_reply{200, *found};
}

void store::add_dependencies(job_view& to) const {
  for (auto id : to.what->dependencies) {
    const auto* other = find(id);
    // The job that ran in the place of one that failed has the same name.
    if (other != nullptr && other->view.retried)
      other = find(successor_of(id));
    if (other == nullptr)
      continue; // it was forgotten
    const auto& files = other->view.artifacts;
    dependency one{other->view.id, other->view.token, other->view.name, {}, 0};
    if (const auto* file = of_type(files, "archive")) {
      one.file_name = file->file_name;
      one.size = file->file->size();
    }
    to.dependencies.push_back(std::move(one));
    if (const auto* file = of_type(files, "dotenv"))
      for (const auto& x : file->variables)
        to.inherited_variables.push_back(x);
  }
}

/// The job that runs in the place of one that was retried.
int64_t store::successor_of(int64_t id) const {
  auto at = successors_.find(id);
  while (at != successors_.end()) {
    id = at->second;
    at = successors_.find(id);
  }
  return id;
}

uint64_t store::artifact_size_max() const {
  std::lock_guard guard{mutex_};
  return options_.artifact_size_max;
}

void store::set_artifact_size_max(uint64_t size) {
  std::lock_guard guard{mutex_};
  options_.artifact_size_max = size;
}

void store::excuse_upload(int64_t id) {
  std::lock_guard guard{mutex_};
  if (auto* x = find(id))
    x->upload_excused = true;
}

} // namespace muster::gitlab
