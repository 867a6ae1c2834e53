// The rows of `cargo bench --bench peers` as Go's cgo has them, one a line: name, median, unit, min.
//
// Every group of rows runs in a process of its own (this program again, with the group's name), because thread counts,
// peak memory and the state of Go's background monitor belong to a process. A child prints its samples, the parent
// reduces them. A wrong answer from C is a panic, so that no figure comes from calls that did nothing.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A group's children each print the same rows; their samples are put together.
type group struct {
	name     string
	children int
	run      func() []row
}

// Five children for block1ms: its wall time and memory are one sample a process. The number is a guess that keeps the
// group below two seconds.
var groups = []group{
	{"cost", 1, cost},
	{"heartbeat", 1, heartbeat},
	{"block1ms", 5, block1ms},
	{"retake_quiet", 1, retakeQuiet},
	{"retake_busy", 1, retakeBusy},
}

func main() {
	if len(os.Args) > 1 {
		runChild(os.Args[1])
		return
	}
	for _, g := range groups {
		for _, r := range gather(g) {
			fmt.Println(r.summary())
		}
	}
}

func runChild(name string) {
	for _, g := range groups {
		if g.name == name {
			for _, r := range g.run() {
				fmt.Println(r.encode())
			}
			return
		}
	}
	panic("no group is called " + name)
}

func gather(g group) []row {
	self, err := os.Executable()
	check(err)
	var rows []row
	for i := 0; i < g.children; i++ {
		child := exec.Command(self, g.name)
		child.Stderr = os.Stderr
		out, err := child.Output()
		check(err)
		lines := bufio.NewScanner(bytes.NewReader(out))
		for at := 0; lines.Scan(); at++ {
			r := decode(lines.Text())
			if i == 0 {
				rows = append(rows, r)
			} else {
				rows[at].samples = append(rows[at].samples, r.samples...)
			}
		}
	}
	return rows
}

// A row on its way from child to parent: name, unit, samples.
func (r row) encode() string {
	fields := []string{r.name, r.unit}
	for _, s := range r.samples {
		fields = append(fields, strconv.FormatFloat(s, 'f', 3, 64))
	}
	return strings.Join(fields, " ")
}

func decode(line string) row {
	fields := strings.Fields(line)
	r := row{name: fields[0], unit: fields[1]}
	for _, f := range fields[2:] {
		s, err := strconv.ParseFloat(f, 64)
		check(err)
		r.samples = append(r.samples, s)
	}
	return r
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func assertEqual(got, want int) {
	if got != want {
		panic(fmt.Sprintf("C answered %d, not %d", got, want))
	}
}
