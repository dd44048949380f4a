#pragma once

namespace muster::test {

/// A private key. Made for tests, used for nothing else.
inline constexpr auto private_key = R"(-----BEGIN PRIVATE KEY-----
MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAN3xf4EXiMdHtPTs
wxenAW+4Iwjasxi4rvz6Sl28nDuokWD5SLc8A0///w6Qz84Q4ciSr7W4BHekNdJJ
v92bMK1MnIi1v0dFqx1cDtRJVcipnY2nybr8OZ8cocrBYcYboVN4IGA9WoN7Zoa0
ZhVhuj3wbSQgkbKis+V51iYU1rStAgMBAAECgYEAm498ThAfx4XEGPOmHnro79RB
giA/7bDsvdX0r9TWMJ6LH0w6omvG6pjEvgHUFVwR1RKzY4wSXYVUUAtvFrWCnHbq
+tWjz+QxSmLfbgVUbrpolfPwKwloD+Pnwz8NbbIGK55rLuu7HOoCIY9cfrzMvccq
57B/lhUwgsFQUjSF/gUCQQDx31sjZ06YsPt6AU+JQZw6fMbCWfHRLrfVW3I6J2wh
MJUDYtlApQCfcpACy5ap5/qKByWRiEQ8v0O3IknN6Bs3AkEA6ugl3yuyHs0IG0dB
ooiHPMSQAm7LP9Ad5oWzK4ezq0rGx2g5QQ6nnl68QGcMmg2DX8BhLB/CZxmwC51r
mHiJOwJATJ0aSkmT3MvarFez8N8mdGRHtRI2hbMNqfhwYzlPh+fSm6L4/AAIBXmN
YkVIsQL5GjWPUdze+HsBIQYsaJuH2wJBAMU6bvnGpUHJIgJNPKVrfiieXM8+GPaW
FVTEct+ci1TJbsZkEpY16LRGlEZ6fxElQWV2j9/NNpr77VyDKqCUq5sCQQCj9Efk
Q3c3UDWP0mjRzugz/2BIfBSAHZYej92R1Hcdhupg37DZyKE9F7LXu8dTx1i4ymv7
m5IQpY/0iNiH8mk8
-----END PRIVATE KEY-----
)";

} // namespace muster::test
