#include "config/system_id.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <optional>
#include <sys/random.h>
#include <unistd.h>

namespace muster {

namespace {

constexpr size_t id_characters = 12;
constexpr size_t file_size_max = 4096; // an id is 14 bytes: more is no id

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
         || (c >= 'A' && c <= 'Z');
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\v\f";
  auto begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos)
    return "";
  return std::string{
    text.substr(begin, text.find_last_not_of(space) - begin + 1)};
}

/// The first bytes of a regular file, trimmed; empty if there are none.
std::string read_small_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    return "";
  std::ifstream in{path, std::ios::binary};
  std::string text(file_size_max, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return trimmed(text);
}

/// GitLab Runner's derivation; the message must stay as it is, or a machine
/// changes its identity.
std::optional<std::string> from_machine_id(const std::string& machine_id) {
  constexpr std::string_view message = "gitlab-runner";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), machine_id.data(), static_cast<int>(machine_id.size()),
           reinterpret_cast<const unsigned char*>(message.data()),
           message.size(), digest.data(), &size)
        == nullptr
      || size < id_characters / 2)
    return std::nullopt;
  std::string id = "s_";
  for (size_t i = 0; i < id_characters / 2; ++i)
    id += fmt::format("{:02x}", digest[i]);
  return id;
}

bool fill(const system_id_sources& from, unsigned char* into, size_t size) {
  if (from.random)
    return from.random(into, size);
  return getrandom(into, size, 0) == static_cast<ssize_t>(size);
}

std::string random_id(const system_id_sources& from) {
  constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789";
  std::array<unsigned char, id_characters * 4> bytes{};
  // Without the system's generator the process id still tells managers apart.
  if (!fill(from, bytes.data(), bytes.size()))
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<unsigned char>(getpid() >> (i % 4 * 8));
  std::string id = "r_";
  for (size_t i = 0; i < id_characters; ++i) {
    uint32_t number = 0;
    std::memcpy(&number, bytes.data() + i * 4, sizeof number);
    id += alphabet[number % alphabet.size()];
  }
  return id;
}

/// Returns why the file could not be written, or nothing.
std::string write_file(const std::string& path, const std::string& text) {
  auto file = open(
    path.c_str(),
    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (file < 0)
    return std::strerror(errno);
  std::string why;
  auto written = write(file, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()))
    why = written < 0 ? std::strerror(errno) : "disk full";
  if (close(file) != 0 && why.empty())
    why = std::strerror(errno);
  return why;
}

} // namespace

bool is_system_id(std::string_view text) {
  return text.size() == 2 + id_characters && (text[0] == 's' || text[0] == 'r')
         && text[1] == '_'
         && std::ranges::all_of(text.substr(2), is_alphanumeric);
}

std::string make_system_id(const system_id_sources& from) {
  for (const auto& file : from.machine_id_files)
    if (auto machine_id = read_small_file(file); !machine_id.empty())
      if (auto id = from_machine_id(machine_id))
        return *id;
  return random_id(from);
}

system_id load_system_id(const std::string& config_path,
                         const system_id_sources& from) {
  auto folder = std::filesystem::path{config_path}.parent_path();
  auto file = (folder / ".runner_system_id").string();
  if (auto known = read_small_file(file); is_system_id(known))
    return {known, ""};
  system_id made{make_system_id(from), ""};
  if (auto why = write_file(file, made.id); !why.empty())
    made.warning
      = fmt::format("cannot write {}: {}; the system id {} holds for "
                    "this process only",
                    file, why, made.id);
  return made;
}

} // namespace muster
