#include "executors/helper/archive/gzip_reader.hpp"

#include <array>
#include <limits.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <zlib.h>

namespace muster::helper {

namespace {

tl::unexpected<failure<helper_errc>> damaged(const std::string& what) {
  return fail(helper_errc::failed, "the gzip archive is damaged: " + what);
}

class reader {
public:
  explicit reader(byte_source from) : from_(std::move(from)) {
  }

  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  ~reader() {
    if (ready_)
      ::inflateEnd(&stream_);
  }

  outcome run(const std::function<outcome(const archive_entry&,
                                          const byte_source&)>& take) {
    ready_ = ::inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK;
    if (!ready_)
      return fail(helper_errc::failed, "there is not enough memory");
    for (;;) {
      if (auto filled = fill(); !filled)
        return filled;
      if (stream_.avail_in == 0)
        return {};
      begin_member();
      if (auto header = read_header(); !header)
        return header;
      archive_entry what;
      what.path = comment_[0] != 0 ? text_of(comment_) : text_of(name_);
      if (facts_.time != 0)
        what.modified_s = static_cast<int64_t>(facts_.time);
      if (what.path.empty())
        return fail(helper_errc::failed,
                    "the gzip archive does not say what its file is called");
      byte_source content
        = [this](char* to, size_t size) { return read(to, size); };
      if (auto done = take(what, content); !done)
        return done;
      while (!ended_) {
        auto n = read(scratch_.data(), scratch_.size());
        if (!n)
          return tl::unexpected{n.error()};
      }
    }
  }

private:
  using text = std::array<char, PATH_MAX>;

  static std::string text_of(const text& from) {
    return std::string{from.data()};
  }

  void begin_member() {
    ::inflateReset(&stream_);
    name_.fill('\0');
    comment_.fill('\0');
    facts_ = {};
    facts_.name = reinterpret_cast<Bytef*>(name_.data());
    facts_.name_max = name_.size() - 1;
    facts_.comment = reinterpret_cast<Bytef*>(comment_.data());
    facts_.comm_max = comment_.size() - 1;
    ::inflateGetHeader(&stream_, &facts_);
    ended_ = false;
  }

  outcome fill() {
    if (stream_.avail_in > 0)
      return {};
    auto n = from_(buffer_.data(), buffer_.size());
    if (!n)
      return tl::unexpected{n.error()};
    stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
    stream_.avail_in = static_cast<uInt>(*n);
    return {};
  }

  /// Inflates without room for output until the header is there.
  outcome read_header() {
    while (facts_.done == 0) {
      if (auto filled = fill(); !filled)
        return filled;
      if (stream_.avail_in == 0)
        return damaged("it is cut off");
      stream_.next_out = reinterpret_cast<Bytef*>(scratch_.data());
      stream_.avail_out = 0;
      auto state = ::inflate(&stream_, Z_BLOCK);
      if (facts_.done == -1
          || (state != Z_OK && state != Z_BUF_ERROR && state != Z_STREAM_END))
        return damaged("this is no gzip header");
    }
    // A name that fills its room was cut off there.
    if (name_[name_.size() - 2] != '\0'
        || comment_[comment_.size() - 2] != '\0')
      return damaged("a name is too long");
    return {};
  }

  result<size_t, helper_errc> read(char* to, size_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(size);
    while (!ended_ && stream_.avail_out == size) {
      if (auto filled = fill(); !filled)
        return tl::unexpected{filled.error()};
      auto nothing = stream_.avail_in == 0;
      auto state = ::inflate(&stream_, Z_NO_FLUSH);
      ended_ = state == Z_STREAM_END;
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
        return damaged("its data");
      if (nothing && !ended_ && stream_.avail_out == size)
        return damaged("it is cut off");
    }
    return size - stream_.avail_out;
  }

  byte_source from_;
  z_stream stream_{};
  bool ready_ = false;
  bool ended_ = false;
  gz_header facts_{};
  text name_{};
  text comment_{};
  std::vector<char> buffer_ = std::vector<char>(piece_bytes);
  std::vector<char> scratch_ = std::vector<char>(piece_bytes);
};

} // namespace

outcome read_gzip(byte_source from,
                  const std::function<outcome(const archive_entry&,
                                              const byte_source&)>& take) {
  return reader{std::move(from)}.run(take);
}

} // namespace muster::helper
