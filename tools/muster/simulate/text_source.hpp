#pragma once

#include <array>
#include <cstddef>
#include <istream>

namespace muster::simulate {

/// The characters of a stream, and where in it they are.
class text_source {
public:
  explicit text_source(std::istream& from) : from_(&from) {
  }

  static constexpr int end = -1;

  /// The next byte, or `end`.
  int peek() {
    if (at_ == filled_ && !fill())
      return end;
    return static_cast<unsigned char>(buffer_[at_]);
  }

  /// Passes it.
  void next() {
    auto c = peek();
    if (c == end)
      return;
    ++at_;
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else if ((c & 0xC0) != 0x80) { // each character of UTF-8 has one such
      ++column_;
    }
  }

  int take() {
    auto c = peek();
    next();
    return c;
  }

  /// Of the next byte, from 1.
  size_t line() const {
    return line_;
  }
  size_t column() const {
    return column_;
  }

  /// Whether it ended because it could not be read.
  bool is_broken() const {
    return from_->bad();
  }

private:
  bool fill() {
    if (!from_->good())
      return false;
    from_->read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    at_ = 0;
    filled_ = static_cast<size_t>(from_->gcount());
    return filled_ > 0;
  }

  std::istream* from_;
  std::array<char, 65'536> buffer_{};
  size_t at_ = 0;
  size_t filled_ = 0;
  size_t line_ = 1;
  size_t column_ = 1;
};

} // namespace muster::simulate
