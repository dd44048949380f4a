#include "actors/trace/log_store.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

namespace muster {

namespace {

/// Makes a file without a name. Some file systems know no O_TMPFILE: there a
/// name is made and taken away at once.
int open_unnamed(const std::string& folder) {
  auto file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0)
    return file;
  auto name = folder + "/trace.XXXXXX";
  file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file >= 0)
    ::unlink(name.c_str());
  return file;
}

/// Reads until `size` bytes are there or the file cannot give more.
size_t read_at(int file, char* to, size_t size, int64_t offset) {
  size_t done = 0;
  while (done < size) {
    auto n = ::pread(file, to + done, size - done,
                     offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    done += static_cast<size_t>(n);
  }
  return done;
}

} // namespace

log_store::log_store(std::string folder) : folder_(std::move(folder)) {
}

log_store::~log_store() {
  if (file_ >= 0)
    ::close(file_);
}

int64_t log_store::size() const {
  return static_cast<int64_t>(head_.size() + tail_.size()) + file_size_;
}

bool log_store::open_file() {
  if (file_ < 0 && !file_failed_) {
    file_ = open_unnamed(folder_);
    file_failed_ = file_ < 0;
  }
  return !file_failed_;
}

/// Returns how many bytes the file took.
size_t log_store::write_file(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    auto n
      = ::pwrite(file_, bytes.data() + done, bytes.size() - done, file_size_);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      file_failed_ = true;
      break;
    }
    done += static_cast<size_t>(n);
    file_size_ += n;
  }
  return done;
}

void log_store::append(std::string_view bytes) {
  crc_ = static_cast<uint32_t>(::crc32_z(
    crc_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
  auto to_head = std::min(bytes.size(), head_max - head_.size());
  head_ += bytes.substr(0, to_head);
  bytes.remove_prefix(to_head);
  if (bytes.empty())
    return;
  if (open_file())
    bytes.remove_prefix(write_file(bytes));
  tail_ += bytes;
}

std::string log_store::read(int64_t offset, size_t max) const {
  if (offset < 0 || offset >= size())
    return {};
  auto from = static_cast<size_t>(offset);
  std::string found(std::min(max, static_cast<size_t>(size() - offset)), '\0');
  size_t done = 0;
  if (from < head_.size())
    done = head_.copy(found.data(), found.size(), from);
  auto in_file = static_cast<int64_t>(from + done - head_.size());
  if (done < found.size() && in_file < file_size_) {
    auto wanted = std::min(found.size() - done,
                           static_cast<size_t>(file_size_ - in_file));
    auto got = read_at(file_, found.data() + done, wanted, in_file);
    done += got;
    if (got < wanted) {
      found.resize(done);
      return found;
    }
  }
  auto in_tail = from + done - head_.size() - static_cast<size_t>(file_size_);
  if (done < found.size())
    tail_.copy(found.data() + done, found.size() - done, in_tail);
  return found;
}

} // namespace muster
