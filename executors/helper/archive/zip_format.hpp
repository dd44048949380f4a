#pragma once

#include <cstddef>
#include <cstdint>

/// The zip format, as APPNOTE.TXT of PKWARE and Info-ZIP's extra fields say.
namespace muster::helper::zip {

constexpr uint32_t local_signature = 0x04034b50;
constexpr uint32_t descriptor_signature = 0x08074b50;
constexpr uint32_t central_signature = 0x02014b50;
constexpr uint32_t end64_signature = 0x06064b50;
constexpr uint32_t locator64_signature = 0x07064b50;
constexpr uint32_t end_signature = 0x06054b50;

constexpr size_t local_bytes = 30;
constexpr size_t central_bytes = 46;
constexpr size_t end64_bytes = 56;
constexpr size_t locator64_bytes = 20;
constexpr size_t end_bytes = 22;

constexpr uint16_t flag_encrypted = 1u << 0;
constexpr uint16_t flag_descriptor = 1u << 3;
constexpr uint16_t flag_utf8 = 1u << 11;

constexpr uint16_t extra_zip64 = 0x0001;
constexpr uint16_t extra_times = 0x5455;
constexpr uint16_t extra_owner = 0x7875;

constexpr uint16_t host_unix = 3;
constexpr uint16_t host_darwin = 19;

constexpr uint16_t none16 = 0xffff;
constexpr uint32_t none32 = 0xffffffff;

enum class method : uint16_t { stored = 0, deflate = 8, zstd = 93 };

} // namespace muster::helper::zip
