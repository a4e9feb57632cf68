// What search.ts and lines.ts do, in Go. usage: peer indexOf|count|offsets|bytes|strings NEEDLE FILE PASSES EXPECTED
package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var kept string // so that no string is left unmade

func eachLine(text []byte, take func(line []byte) int) int {
	sum := 0
	for len(text) > 0 {
		line := text
		if newline := bytes.IndexByte(text, '\n'); newline >= 0 {
			line, text = text[:newline], text[newline+1:]
		} else {
			text = nil
		}
		sum += take(bytes.TrimSuffix(line, []byte("\r")))
	}
	return sum
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	way, needle := os.Args[1], []byte(os.Args[2])
	file, err := os.Open(os.Args[3])
	check(err)
	status, err := file.Stat()
	check(err)
	text, err := syscall.Mmap(int(file.Fd()), 0, int(status.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	check(err)
	passes, err := strconv.Atoi(os.Args[4])
	check(err)
	expected, err := strconv.Atoi(os.Args[5])
	check(err)
	once := func() int {
		switch way {
		case "indexOf":
			return bytes.Index(text, needle)
		case "count":
			return bytes.Count(text, needle)
		case "strings":
			return eachLine(text, func(line []byte) int {
				kept = string(line)
				return len(kept)
			})
		default:
			return eachLine(text, func(line []byte) int { return len(line) })
		}
	}
	var samples []string
	for pass := 0; pass <= passes; pass++ {
		start := time.Now()
		answer := once()
		spent := time.Since(start)
		if answer != expected {
			panic(fmt.Sprint(answer, " instead of ", expected))
		}
		if pass > 0 {
			samples = append(samples, strconv.FormatInt(spent.Nanoseconds(), 10))
		}
	}
	fmt.Println("[" + strings.Join(samples, ",") + "]")
}
