package dev.dirtymap.access;

import dev.dirtymap.images.ConfigurationException;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.nio.file.Path;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.authentication.AuthenticationManager;
import org.springframework.security.authorization.AuthorizationDecision;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.AbstractHttpConfigurer;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.AuthenticationException;
import org.springframework.security.oauth2.server.resource.authentication.BearerTokenAuthenticationToken;
import org.springframework.security.web.AuthenticationEntryPoint;
import org.springframework.security.web.DefaultSecurityFilterChain;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.firewall.FirewalledRequest;
import org.springframework.security.web.firewall.HttpFirewall;
import org.springframework.web.servlet.HandlerExceptionResolver;

/// Lets in whoever has a token, and everybody where none is asked for. Which paths are open stands here; which scopes
/// an operation needs, in [OperationScopes].
@Configuration(proxyBeanMethods = false)
class SecurityConfiguration {

    /// They say nothing of any image: whether the service lives, and how it is used.
    private static final String[] OPEN = {
        "/actuator/health",
        "/actuator/health/liveness",
        "/actuator/health/readiness",
        "/problems/*",
        "/v3/api-docs",
        "/v3/api-docs.yaml",
        "/v3/api-docs/swagger-config",
        "/swagger-ui.html",
        "/swagger-ui/*"
    };

    /// They speak of the service as a whole, all images together.
    private static final String WHOLE = "/actuator/**";

    /// What the filters have to say, in Spring Security's words.
    private static final class Refusal extends AuthenticationException {

        private static final long serialVersionUID = 1L;

        Refusal(RuntimeException reason) {
            super(String.valueOf(reason.getMessage()), reason);
        }
    }

    @Bean
    @ConditionalOnProperty(name = "dirtymap.auth.mode", havingValue = "token")
    TokenFile tokenFile(AccessProperties properties) {
        Path path = properties.tokens();
        if (path == null) {
            throw new ConfigurationException(
                    "dirtymap.auth.tokens is not set, but dirtymap.auth.mode is token.",
                    "Set dirtymap.auth.tokens (DIRTYMAP_AUTH_TOKENS) to the file of tokens.");
        }
        return new TokenFile(path);
    }

    @Bean
    @ConditionalOnProperty(name = "dirtymap.auth.mode", havingValue = "token")
    TokensHealthIndicator tokensHealthIndicator(TokenFile tokens) {
        return new TokensHealthIndicator(tokens);
    }

    @Bean
    @ConditionalOnProperty(name = "dirtymap.auth.mode", havingValue = "jwt")
    JwtTokens jwtTokens(AccessProperties properties) {
        return new JwtTokens(properties.jwt());
    }

    @Bean
    SecurityFilterChain securityFilterChain(
            ObjectProvider<Credentials> credentials,
            ObjectProvider<HttpSecurity> security,
            Callers callers,
            @Qualifier("handlerExceptionResolver")
                    ObjectProvider<HandlerExceptionResolver> problems) {
        Credentials asked = credentials.getIfAvailable();
        if (asked == null) {
            return new DefaultSecurityFilterChain(_ -> false);
        }
        AuthenticationEntryPoint unauthenticated =
                (request, response, refusal) -> tell(problems, request, response, reason(refusal));
        AuthenticationManager manager = given -> authenticate(asked, given);
        return security.getObject()
                .authorizeHttpRequests(paths ->
                        paths.dispatcherTypeMatchers(DispatcherType.ERROR, DispatcherType.ASYNC)
                                .permitAll()
                                .requestMatchers(OPEN)
                                .permitAll()
                                .requestMatchers(WHOLE)
                                .access((_, _) -> new AuthorizationDecision(callers.seesAll()))
                                .anyRequest()
                                .authenticated())
                .oauth2ResourceServer(bearer ->
                        bearer.authenticationManagerResolver(_ -> manager)
                                .authenticationEntryPoint(unauthenticated))
                .exceptionHandling(refusals ->
                        refusals.authenticationEntryPoint(unauthenticated)
                                .accessDeniedHandler((request, response, _) ->
                                        tell(problems, request, response, notAll())))
                .sessionManagement(
                        session -> session.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
                // What browsers with cookies need, and callers with tokens do not.
                .csrf(AbstractHttpConfigurer::disable)
                .requestCache(AbstractHttpConfigurer::disable)
                .logout(AbstractHttpConfigurer::disable)
                .servletApi(AbstractHttpConfigurer::disable)
                // Are set for every answer, also where no credentials are asked for.
                .headers(AbstractHttpConfigurer::disable)
                .build();
    }

    private static Authentication authenticate(Credentials credentials, Authentication given) {
        try {
            String token = ((BearerTokenAuthenticationToken) given).getToken();
            return new Authenticated(credentials.whose(token));
        } catch (UnauthenticatedException | KeysUnavailableException e) {
            throw new Refusal(e);
        }
    }

    private static RuntimeException reason(AuthenticationException refusal) {
        if (refusal instanceof Refusal && refusal.getCause() instanceof RuntimeException reason) {
            return reason;
        }
        // The header is malformed, or there is none.
        return refusal.getClass().getName().startsWith("org.springframework.security.oauth2")
                ? new UnauthenticatedException(String.valueOf(refusal.getMessage()))
                : new UnauthenticatedException();
    }

    private static ForbiddenException notAll() {
        return new ForbiddenException(
                "this speaks of all images and needs bitmaps:read without a limit to name prefixes",
                Scope.READ.text());
    }

    /// Has a refusal told like every other failure.
    private static void tell(
            ObjectProvider<HandlerExceptionResolver> problems,
            HttpServletRequest request,
            HttpServletResponse response,
            RuntimeException reason) {
        problems.getObject().resolveException(request, response, null, reason);
    }

    /// Leaves requests as they are. Tomcat has refused what no server should take, and here, unlike in the firewall that
    /// is meant for all kinds of applications, the paths that decide are the ones that are routed.
    @Bean
    HttpFirewall firewall() {
        return new HttpFirewall() {
            @Override
            public FirewalledRequest getFirewalledRequest(HttpServletRequest request) {
                return new FirewalledRequest(request) {
                    @Override
                    public void reset() {
                        // Nothing was changed.
                    }
                };
            }

            @Override
            public HttpServletResponse getFirewalledResponse(HttpServletResponse response) {
                return response;
            }
        };
    }
}
