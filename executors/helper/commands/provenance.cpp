#include "executors/helper/commands/provenance.hpp"

#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/json.hpp"
#include "executors/helper/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace muster::helper {

namespace {

/// What says what the parameters mean: ours are those of GitLab Runner.
constexpr std::string_view build_type
  = "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/v19.4.0/PROVENANCE.md";

std::string member(std::string_view name, std::string_view value) {
  return json_text(name) + ": " + json_text(value);
}

/// As Go calls it.
std::string architecture() {
  utsname facts{};
  ::uname(&facts);
  std::string name{facts.machine};
  if (name == "x86_64")
    return "amd64";
  return name == "aarch64" ? "arm64" : name;
}

result<std::string, helper_errc> sha256_of(int file) {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash{::EVP_MD_CTX_new(),
                                                          ::EVP_MD_CTX_free};
  std::vector<char> buffer(piece_bytes);
  auto fine = hash != nullptr
              && ::EVP_DigestInit_ex(hash.get(), ::EVP_sha256(), nullptr) == 1;
  for (ssize_t n = 1; fine && n != 0;) {
    n = ::read(file, buffer.data(), buffer.size());
    if (n < 0)
      return fail(helper_errc::failed, std::strerror(errno));
    fine = ::EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<size_t>(n))
           == 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (!fine || ::EVP_DigestFinal_ex(hash.get(), bytes.data(), &size) != 1)
    return fail(helper_errc::failed, "SHA-256 is not to be had");
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

} // namespace

std::string statement_of(const provenance_facts& facts,
                         const std::vector<provenance_subject>& subjects) {
  std::string subject;
  for (const auto& x : subjects)
    subject += (subject.empty() ? "\n" : ",\n") + std::string{"  {"}
               + member("name", x.path) + ", \"digest\": {"
               + member("sha256", x.sha256) + "}}";
  std::string external;
  for (const auto& name : facts.parameters)
    external += "    " + member(name, "") + ",\n";
  external += "    " + member("entryPoint", facts.job_name) + ",\n    "
              + member("source", facts.repository);
  return "{\n \"_type\": \"https://in-toto.io/Statement/v0.1\",\n"
         " \"predicateType\": \"https://slsa.dev/provenance/v1\",\n"
         " \"subject\": ["
         + subject + "\n ],\n \"predicate\": {\n  \"buildDefinition\": {\n   "
         + member("buildType", build_type) + ",\n   \"externalParameters\": {\n"
         + external + "\n   },\n   \"internalParameters\": {\n    "
         + member("architecture", architecture()) + ",\n    "
         + member("executor", facts.executor) + ",\n    "
         + member("job", std::to_string(facts.job)) + ",\n    "
         + member("name", facts.runner_name)
         + "\n   },\n   \"resolvedDependencies\": [\n    {"
         + member("uri", facts.repository) + ", \"digest\": {"
         + member("sha256", facts.commit)
         + "}}\n   ]\n  },\n  \"runDetails\": {\n   \"builder\": {\n    "
         + member("id", facts.repository + "/-/runners/" + facts.runner_id)
         + ",\n    \"version\": {" + member("muster", build_text())
         + "}\n   },\n   \"metadata\": {\n    "
         + member("invocationID", std::to_string(facts.job)) + ",\n    "
         + member("startedOn", facts.started_at) + ",\n    "
         + member("finishedOn", facts.ended_at) + "\n   }\n  }\n }\n}\n";
}

outcome add_provenance(const provenance_facts& facts,
                       const std::set<std::string>& files,
                       const std::string& name, archive_writer& to) {
  std::vector<provenance_subject> subjects;
  for (const auto& path : files) {
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode))
      continue;
    unique_fd file{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
    if (!file)
      return fail(helper_errc::failed,
                  "open " + path + ": " + std::strerror(errno));
    auto sum = sha256_of(file.get());
    if (!sum)
      return fail(helper_errc::failed, path + ": " + sum.error().text);
    subjects.push_back({path, *sum});
  }
  auto text = statement_of(facts, subjects);
  archive_entry what;
  what.path = name + "-metadata.json";
  what.modified_s = ::time(nullptr);
  what.user = ::getuid();
  what.group = ::getgid();
  what.size_bytes = text.size();
  std::string_view left{text};
  return to.add(what, [&left](char* at, size_t size) {
    auto n = left.copy(at, size);
    left.remove_prefix(n);
    return result<size_t, helper_errc>{n};
  });
}

} // namespace muster::helper
