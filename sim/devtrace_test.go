package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

func TestDevTrace(t *testing.T) {
	s := os.Getenv("SEED")
	if s == "" {
		t.Skip()
	}
	seed, _ := strconv.ParseUint(s, 10, 64)
	o := Draw(seed)
	for _, l := range o.Lines() {
		fmt.Println(l)
	}
	r := Run(Config{Options: o, Trace: func(l []byte) { os.Stdout.Write(l) }})
	fmt.Println(r.Outcome, r.Oracle, r.Found)
}
