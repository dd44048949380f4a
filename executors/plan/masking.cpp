#include "executors/plan/masking.hpp"

#include "executors/shells/posix.hpp"

#include <algorithm>

namespace muster {

namespace {

constexpr size_t prefixes_max = 15;

constexpr std::string_view default_prefixes[] = {
  "gloas-",           "gldt-",   "glrt-",   "glcbt-",
  "glrtr-",           "glptt-",  "glft-",   "glimt-",
  "glagent-",         "glsoat-", "glffct-", "gltok-",
  "_gitlab_session=",
};

bool longer(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() > b.size() : a > b;
}

bool shorter(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

template <class Order>
std::vector<std::string> sorted(std::vector<std::string> texts, Order order) {
  std::sort(texts.begin(), texts.end(), order);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts;
}

} // namespace

std::vector<std::string>
mask_phrases(const std::vector<job_variable>& variables) {
  std::vector<std::string> result;
  for (const auto& x : variables) {
    if (!x.masked)
      continue;
    auto phrase = posix::trim(x.value.reveal());
    if (!phrase.empty())
      result.emplace_back(phrase);
  }
  return sorted(std::move(result), longer);
}

std::vector<std::string> mask_prefixes(const job_payload& payload,
                                       bool all_default_tokens) {
  std::vector<std::string> result{"glpat-"};
  if (all_default_tokens)
    result.insert(result.end(), std::begin(default_prefixes),
                  std::end(default_prefixes));
  for (const auto& prefix : payload.token_mask_prefixes)
    if (!prefix.empty())
      result.push_back(prefix);
  result = sorted(std::move(result), shorter);
  if (result.size() > prefixes_max)
    result.resize(prefixes_max);
  return result;
}

} // namespace muster
