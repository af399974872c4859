package dev.dirtymap;

import dev.dirtymap.access.TokenCommand;
import java.util.List;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.ConfigurationPropertiesScan;

/// Starts the service, or makes a token for it.
@SpringBootApplication
@ConfigurationPropertiesScan
public class Application {

    public static void main(String[] args) {
        if (args.length > 0 && args[0].equals("token")) {
            List<String> options = List.of(args).subList(1, args.length);
            System.exit(TokenCommand.run(options, System.out, System.err));
        }
        SpringApplication.run(Application.class, args);
    }
}
