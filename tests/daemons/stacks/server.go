// A server of Go's crypto/tls: SOCKET CERTIFICATE KEY LEAST MOST, the versions as numbers of the wire (0x0301). Whatever it
// is sent, it answers the same.
package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"time"
)

func version(text string) uint16 {
	number, err := strconv.ParseUint(text, 0, 16)
	if err != nil {
		log.Fatal(err)
	}
	return uint16(number)
}

func talk(connection net.Conn) {
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := connection.Read(make([]byte, 4096)); err == nil {
		io.WriteString(connection, "HTTP/1.0 204 No Content\r\n\r\n")
	}
}

func main() {
	identity, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	config := tls.Config{
		Certificates: []tls.Certificate{identity},
		MinVersion:   version(os.Args[4]),
		MaxVersion:   version(os.Args[5]),
	}
	listener, err := tls.Listen("tcp", os.Args[1], &config)
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go talk(connection)
	}
}
