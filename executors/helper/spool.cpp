#include "executors/helper/spool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

constexpr uint64_t records_per_offset = 64;
constexpr size_t head_bytes = 4;   ///< a frame's size
constexpr size_t output_cost = 22; ///< of an output record beside its bytes
constexpr size_t load_max = 128u << 10; ///< holds more than the largest output

/// Returns the size of the frame that begins at `at`, its head included.
size_t frame_size(const char* at) {
  uint32_t size = 0;
  for (size_t i = 0; i < head_bytes; ++i)
    size |= static_cast<uint32_t>(static_cast<uint8_t>(at[i])) << (8 * i);
  return head_bytes + size;
}

} // namespace

spool::spool(std::string path, uint64_t bound_bytes)
  : path_(std::move(path)),
    bound_bytes_(bound_bytes) {
}

void spool::append_output(int64_t time_us, frames::output_stream stream,
                          std::string_view bytes) {
  while (!bytes.empty()) {
    auto piece = bytes.substr(0, frames::output_size_max);
    append_piece(time_us, stream, piece);
    bytes.remove_prefix(piece.size());
  }
}

void spool::append_piece(int64_t time_us, frames::output_stream stream,
                         std::string_view bytes) {
  auto size = bytes.size() + output_cost;
  bool fits = size_bytes() + size <= bound_bytes_
              && (error_.empty() || tail_.size() + size <= spare_max);
  if (dropped_bytes_ > 0 || !fits) {
    dropped_bytes_ += bytes.size();
    return;
  }
  auto number = begin_record();
  frames::append_output(tail_, number, time_us, stream, bytes);
  end_record();
}

uint64_t spool::begin_record() {
  if (records_ % records_per_offset == 0)
    offsets_.push_back(size_bytes());
  return records_++;
}

void spool::end_record() {
  if (tail_.size() > tail_max && tail_.size() >= retry_at_)
    store_tail();
}

void spool::store_tail() {
  if (!file_ && !open_file())
    return;
  if (dropped_bytes_ == 0)
    error_.clear();
  retry_at_ = 0;
  size_t done = 0;
  while (done < tail_.size()) {
    auto n = ::pwrite(file_.get(), tail_.data() + done, tail_.size() - done,
                      static_cast<off_t>(stored_bytes_));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      give_up("written");
      break;
    }
    done += static_cast<size_t>(n);
    stored_bytes_ += static_cast<uint64_t>(n);
  }
  tail_.erase(0, done);
}

bool spool::open_file() {
  file_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                     S_IRUSR | S_IWUSR));
  if (!file_) {
    give_up("made");
    return false;
  }
  ::unlink(path_.c_str());
  return true;
}

/// The tail stays in memory as it is: what was accepted before is not lost.
void spool::give_up(const char* what) {
  constexpr size_t step = 256u << 10;
  retry_at_ = tail_.size() + step;
  error_
    = std::string{"the spool cannot be "} + what + ": " + std::strerror(errno);
}

std::string spool::loss_text() const {
  if (dropped_bytes_ == 0)
    return "";
  auto lost = std::to_string(dropped_bytes_) + " bytes of output were lost: ";
  if (!error_.empty())
    return lost + error_;
  return lost + "the job wrote more than the spool's bound of "
         + std::to_string(bound_bytes_) + " bytes";
}

result<uint64_t, helper_errc> spool::offset_of(uint64_t record) const {
  if (record >= records_)
    return size_bytes();
  auto offset = offsets_[record / records_per_offset];
  for (auto left = record % records_per_offset; left > 0; --left) {
    char head[head_bytes];
    auto got = load(offset, head, head_bytes);
    if (!got)
      return tl::unexpected{got.error()};
    offset += frame_size(head);
  }
  return offset;
}

result<std::string_view, helper_errc> spool::read(uint64_t offset) {
  if (offset >= stored_bytes_) {
    auto tail = std::string_view{tail_};
    tail.remove_prefix(std::min<uint64_t>(offset - stored_bytes_, tail.size()));
    return tail;
  }
  auto found = load_frames(offset, load_max);
  if (!found || !found->empty() || loaded_.size() < head_bytes)
    return found;
  // One that is larger than all that is taken at a time.
  auto size = frame_size(loaded_.data());
  if (size > head_bytes + frames::frame_size_max)
    return fail(helper_errc::failed,
                "the job's spool is damaged: it has a record of "
                  + std::to_string(size) + " bytes");
  return load_frames(offset, size);
}

/// Loads up to so many bytes and returns the whole frames among them.
result<std::string_view, helper_errc> spool::load_frames(uint64_t offset,
                                                         size_t size_max) {
  loaded_.resize(size_max);
  auto got = load(offset, loaded_.data(), size_max);
  if (!got)
    return tl::unexpected{got.error()};
  loaded_.resize(*got);
  return frames::whole_frames(loaded_, *got);
}

/// Fills `to` from the file and the tail as far as there is something.
result<size_t, helper_errc> spool::load(uint64_t offset, char* to,
                                        size_t size) const {
  size_t done = 0;
  while (done < size && offset + done < stored_bytes_) {
    auto here = offset + done;
    auto n = ::pread(file_.get(), to + done,
                     std::min<uint64_t>(size - done, stored_bytes_ - here),
                     static_cast<off_t>(here));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return fail(helper_errc::failed,
                  std::string{"the job's spool cannot be read: "}
                    + (n < 0 ? std::strerror(errno) : "it was cut off"));
    done += static_cast<size_t>(n);
  }
  if (done < size && offset + done < size_bytes()) {
    auto from = static_cast<size_t>(offset + done - stored_bytes_);
    auto n = std::min(size - done, tail_.size() - from);
    std::memcpy(to + done, tail_.data() + from, n);
    done += n;
  }
  return done;
}

} // namespace muster::helper
