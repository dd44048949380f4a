#include "tests/e2e/admin/shell.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>

namespace muster::test {

namespace fs = std::filesystem;

admin_place::admin_place() {
  auto name = (fs::temp_directory_path() / "muster-admin-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("cannot make a folder like " + name);
  path_ = name;
}

admin_place::~admin_place() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

shell_result admin_place::muster(const std::string& words,
                                 const std::string& input) const {
  write(input, "stdin");
  // A deadline, since questions could wait for ever.
  auto command = "exec 2>&1; cd '" + path_.string()
                 + "'; export CONFIG_FILE=config.toml PATH=\"$(dirname "
                   "\"$MUSTER_PROGRAM\"):$PATH\"; timeout 60 env "
                 + words + " <stdin";
  shell_result out;
  auto* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr)
    throw std::runtime_error("cannot start a shell");
  std::array<char, 4096> piece{};
  while (auto size = std::fread(piece.data(), 1, piece.size(), pipe))
    out.text.append(piece.data(), size);
  auto status = ::pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

std::string admin_place::config() const {
  std::ifstream in{file(), std::ios::binary};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void admin_place::write(const std::string& text,
                        const std::string& name) const {
  std::ofstream{path_ / name, std::ios::binary} << text;
}

fs::path admin_place::file(const std::string& name) const {
  return path_ / name;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace muster::test
