#include "tools/coordinator/pipeline/git_files.hpp"

#include "tools/coordinator/child_process.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <openssl/evp.h>

namespace muster::gitlab {

namespace {

constexpr std::chrono::seconds patience{60};
constexpr size_t output_max = size_t{64} << 20; ///< names of all files [bytes]
constexpr uintmax_t file_max = uintmax_t{4} << 20; ///< [bytes]

/// Names that end with a zero byte each.
std::vector<std::string> names_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    auto end = text.find('\0');
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

/// Whether a path stays in the folder that it starts from.
bool stays_inside(const std::string& path) {
  auto normal = std::filesystem::path{path}.lexically_normal();
  return !path.empty() && normal.is_relative() && *normal.begin() != "..";
}

std::string sha1_of(const std::string& text) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), sum, &size, EVP_sha1(), nullptr);
  std::string out;
  for (unsigned int i = 0; i < size; ++i)
    out += fmt::format("{:02x}", sum[i]);
  return out;
}

} // namespace

std::optional<std::string>
git_files::git(std::vector<std::string> arguments) const {
  std::vector<std::string> all{"git", "-c", "safe.directory=*", "-C", folder_};
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto output = run_program(all, patience, output_max);
  if (!output)
    return std::nullopt;
  return std::move(*output);
}

std::optional<std::string> git_files::read(const std::string& path) {
  if (!stays_inside(path))
    return std::nullopt;
  if (source_ == from::commit)
    return git({"cat-file", "blob", fmt::format("{}:{}", sha_, path)});
  auto name = std::filesystem::path{folder_} / path;
  std::error_code error;
  if (!std::filesystem::is_regular_file(name, error)
      || std::filesystem::file_size(name, error) > file_max)
    return std::nullopt;
  std::ifstream in{name, std::ios::binary};
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

const std::vector<std::string>& git_files::paths() {
  if (!paths_) {
    auto all = source_ == from::commit
                 ? git({"ls-tree", "-r", "-z", "--name-only", sha_})
                 : git({"ls-files", "-z", "--cached", "--others",
                        "--exclude-standard"});
    paths_ = names_of(all.value_or(""));
  }
  return *paths_;
}

std::optional<std::vector<std::string>>
git_files::changes(const std::string& ref) {
  auto [at, is_new] = changes_.try_emplace(ref);
  if (is_new && !ref.starts_with('-')) {
    auto base = ref.empty() ? sha_ + "^" : ref;
    // With three dots: since the branches parted, as GitLab compares them.
    auto what = fmt::format("{}{}{}", base, ref.empty() ? ".." : "...", sha_);
    if (auto names = git({"diff", "--name-only", "-z", what, "--"}))
      at->second = names_of(*names);
  }
  return at->second;
}

std::string git_files::digest(const std::vector<std::string>& paths) {
  std::string commits;
  for (const auto& path : paths)
    if (stays_inside(path))
      commits
        += git({"log", "-1", "--format=%H", sha_, "--", path}).value_or("");
  return commits.empty() ? "" : sha1_of(commits);
}

} // namespace muster::gitlab
