package payload

import (
	"fmt"
	"math/rand/v2"
)

// The words that text records are made of.
var (
	paths = []string{"/", "/login", "/cart", "/cart/add", "/checkout", "/products", "/products/%d", "/search?q=%d", "/static/app.js", "/static/site.css",
		"/images/%d.webp", "/api/v2/items/%d", "/api/v2/users/%d/orders", "/favicon.ico"}
	agents = []string{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "curl/8.14.1"}
	methods   = []string{"GET", "GET", "GET", "GET", "POST", "HEAD"}
	statuses  = []int{200, 200, 200, 200, 200, 200, 304, 302, 404, 500}
	actions   = []string{"view", "view", "view", "click", "search", "add_to_cart", "purchase", "logout"}
	countries = []string{"AT", "BR", "CZ", "DE", "FR", "IN", "JP", "US"}
	merchants = []string{"5411", "5812", "5541", "4111", "5999", "7011"}
)

func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

func logLine(dst []byte, rng *rand.Rand, user uint64) []byte {
	path := pick(rng, paths)
	if path[len(path)-1] != '/' && rng.IntN(3) > 0 {
		path = fmt.Sprintf("/products/%d", rng.IntN(5000))
	}
	at := rng.IntN(86_400)
	return fmt.Appendf(dst, "10.%d.%d.%d - - [23/Nov/2026:%02d:%02d:%02d +0000] \"%s %s HTTP/1.1\" %d %d \"-\" \"%s\"\n",
		user>>16&255, user>>8&255, user&255, at/3600, at/60%60, at%60, pick(rng, methods), fill(path, rng), pick(rng, statuses), 200+rng.IntN(40_000), pick(rng, agents))
}

// fill puts a number into a path that has a place for one.
func fill(path string, rng *rand.Rand) string {
	for i := range len(path) - 1 {
		if path[i] == '%' && path[i+1] == 'd' {
			return fmt.Sprintf(path, rng.IntN(100_000))
		}
	}
	return path
}

func activity(dst []byte, rng *rand.Rand, user uint64) []byte {
	return fmt.Appendf(dst, `{"user":"user-%06d","action":"%s","item":%d,"session":"%08x","country":"%s","ms":%d,"mobile":%t}`,
		user, pick(rng, actions), rng.IntN(50_000), rng.Uint32(), pick(rng, countries), 1_795_000_000_000+rng.Int64N(86_400_000), rng.IntN(2) == 0)
}

func payment(dst []byte, rng *rand.Rand, user uint64) []byte {
	return fmt.Appendf(dst, `{"id":"%016x","card":"%016d","amount":%d.%02d,"currency":"EUR","mcc":"%s","terminal":%08d,"auth":"%06d"}`,
		rng.Uint64(), 4_000_000_000_000_000+user*7919%1_000_000_000_000_000, rng.IntN(500), rng.IntN(100), pick(rng, merchants), rng.IntN(100_000_000), rng.IntN(1_000_000))
}
